"""From a wish to one changed key: the nearest child, never a config that is not valid or too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.explorers.single import gap, may_run, moves
from prompts.context import ConfigResult
from state.campaign import load_campaign
from tests.agent.conftest import CAMPAIGN
from tests.agent.explorers.test_study import RULES, result, rule


def test_the_nearest_child_comes_first_and_of_equals_the_better_parents() -> None:
    first, second = result(1, 0.1), result(2, 0.9, width=64)
    wanted = {**first.values, "share": 0.6, "width": 36}
    found = list(moves(RULES, [first, second], wanted))
    assert [(move.parent.config_id, move.key) for move in found[:2]] == [("C2", "share"), ("C1", "share")]
    assert found[0].child == {**second.values, "share": 0.6}
    assert [move.distance for move in found] == sorted(move.distance for move in found)
    equals = list(moves(RULES, [result(1, 0.1), result(2, 0.9)], wanted))
    assert [move.parent.config_id for move in equals] == ["C2", "C1", "C2", "C1"]
    assert not list(moves(RULES, [first], first.values))


def test_a_wish_that_one_change_reaches_is_reached() -> None:
    start = result(1, 0.1)
    wanted = {**start.values, "rate": 3e-4}
    (move,) = moves(RULES, [start], wanted)
    assert (move.child, move.distance) == (wanted, 0.0)


@pytest.mark.parametrize(
    ("key", "one", "other", "far"),
    [
        ("share", 0.2, 0.4, 0.5),
        ("share", 0.2, 0.6, 1.0),
        ("start", "zeros", "randn", 1.0),
        ("flag", False, True, 1.0),
        ("rate", 1e-6, 1e-3, 1.0),
        ("rate", 1e-6, 1e-5, 1 / 3),
        ("width", 4, 34, 0.5),
        ("width", 34, 34, 0.0),
    ],
)
def test_gaps_are_shares_of_what_a_key_may_be(key: str, one: float, other: float, far: float) -> None:
    row = next(row for row in RULES if row.key == key)
    assert gap(row, one, other) == pytest.approx(far)
    assert gap(row, other, one) == pytest.approx(far)


def test_what_would_take_too_long_or_is_no_config_may_not_run(tmp_path: Path) -> None:
    campaign = load_campaign(CAMPAIGN)
    base = campaign.base_config().flat()
    key = "training.data_augmentation_loop"
    row = rule(key, choices=[20, 25, 30])

    def parent(minutes: float | None) -> ConfigResult:
        return result(1, 0.5).model_copy(
            update={"values": {name: base[name] for name in campaign.explorable}, "minutes": minutes}
        )

    def allowed(minutes: float | None, value: float = 30) -> bool:
        (move,) = moves([row], [parent(minutes)], {key: value})
        return may_run(campaign, move)

    limit = campaign.policy.time_limit_min
    assert allowed(None)
    assert allowed(limit / 1.5)
    assert not allowed(limit / 1.49)
    wrong = next(moves([rule("training.n_epochs", min=-4, max=3)], [parent(None)], {"training.n_epochs": -2}))
    assert not may_run(campaign, wrong)
