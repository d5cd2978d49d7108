"""What a sampler is told and what it answers: legal values, always the same, and drawn to what scored well."""

from __future__ import annotations

from typing import Any, cast

import pytest

from agent.explorers.study import distribution, wish
from prompts.context import ConfigResult, Rule
from state.config import Scalar
from state.explorer import SAMPLERS, Sampler


def rule(key: str, **fields: Any) -> Rule:
    plain: dict[str, Any] = {"default": 1, "allowed": "", "description": "", "whole": False, "scale": "linear"}
    return Rule(**plain | {"key": key, "choices": None, "min": None, "max": None} | fields)


RULES = [
    rule("share", choices=[0.2, 0.4, 0.6]),
    rule("start", choices=["zeros", "randn"]),
    rule("flag", choices=[False, True]),
    rule("rate", min=1e-6, max=1e-3, scale="log"),
    rule("width", min=4, max=64, whole=True),
]


def result(number: int, score: float, losses: dict[str, float] | None = None, **values: Scalar) -> ConfigResult:
    plain: dict[str, Scalar] = {"share": 0.2, "start": "zeros", "flag": False, "rate": 1e-5, "width": 8}
    return ConfigResult(
        config_id=f"C{number}",
        nodes=[number],
        values=plain | values,
        score=score,
        data_seeds=1,
        losses=losses or {},
        minutes=None,
    )


def many(n: int) -> list[ConfigResult]:
    """Configs that are the better the higher `share`, with one value for each rate."""
    shares = [0.2, 0.4, 0.6]
    return [result(k, score=shares[k % 3], share=shares[k % 3], rate=1e-6 * 1.3**k) for k in range(1, n)]


@pytest.mark.parametrize("kind", SAMPLERS)
def test_equal_questions_get_equal_answers_that_are_allowed(kind: Sampler) -> None:
    asked = [wish(kind, (7, 3, 0), RULES, many(8), [many(3)[0].values]) for _ in range(2)]
    assert asked[0] == asked[1]
    assert (
        wish(kind, (8, 3, 0), RULES, many(8), []) != asked[0] or wish(kind, (9, 3, 0), RULES, many(8), []) != asked[0]
    )
    for one in RULES:
        value = asked[0][one.key]
        if one.choices is not None:
            assert value in one.choices
            assert type(value) is type(one.choices[one.choices.index(value)])
        else:
            assert cast(float, one.min) <= float(value) <= cast(float, one.max)
    assert isinstance(asked[0]["width"], int)


def test_random_search_does_not_repeat_itself_and_looks_at_no_result() -> None:
    answers = [wish("random", (1, batch, 0), RULES, [], []) for batch in range(6)]
    assert len({tuple(answer.items()) for answer in answers}) == 6
    assert wish("random", (1, 2, 0), RULES, many(12), []) == answers[2]


def test_tpe_asks_more_often_for_what_scored_well() -> None:
    high = [wish("tpe", (seed,), RULES, many(24), [])["share"] for seed in range(30)]
    drawn = [wish("random", (seed,), RULES, many(24), [])["share"] for seed in range(30)]
    assert high.count(0.6) > 1.4 * drawn.count(0.6)


def test_what_loses_more_than_its_margin_is_avoided_though_it_scores_best() -> None:
    told = [result(k, one.score, {"connectivity_R2": 0.2 if one.values["share"] == 0.6 else -0.01}, **one.values)
            for k, one in enumerate(many(24), 1)]  # fmt: skip
    free = [wish("tpe", (seed,), RULES, many(24), [])["share"] for seed in range(30)]
    held = [wish("tpe", (seed,), RULES, told, [])["share"] for seed in range(30)]
    assert held.count(0.6) < 0.5 * free.count(0.6)


def test_a_choice_is_told_as_it_stands_in_the_table() -> None:
    """A config file may have 2.0 where the table says 2; to Optuna these are two values."""
    whole = [rule("n", choices=[2, 3])]
    told = [ConfigResult(config_id="C1", nodes=[1], values={"n": 2.0}, score=0, data_seeds=1, losses={}, minutes=None)]
    assert wish("random", (1,), whole, told, [])["n"] in (2, 3)


def test_a_range_is_asked_for_on_its_own_scale() -> None:
    assert "log=True" in repr(distribution(RULES[3]))
    assert "log=False" in repr(distribution(rule("x", min=0.0, max=1.0)))
    assert repr(distribution(rule("x", min=3.5, max=9.5, whole=True))).startswith(
        "IntDistribution(high=9, log=False, low=4"
    )
