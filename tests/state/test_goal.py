"""The goal of a campaign: the addendum's by default, and nothing that contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest

from state.campaign import Campaign
from state.errors import ConfigError
from state.goal import Goal
from state.schema import validate

BASE: dict[str, Any] = {"name": "c", "explorable": {"training.n_epochs": {"choices": [2, 3]}}}


def test_the_default_is_the_addendums() -> None:
    goal = Goal()
    assert goal.primary == "V_rest_R2"
    assert goal.margins == {"connectivity_R2": 0.036, "tau_R2": 0.03}
    assert goal.judged == ("V_rest_R2", "connectivity_R2", "tau_R2", "test_R2", "test_pearson")


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        ({"primary": "connectivity_R2"}, "connectivity_R2 is the primary metric"),
        ({"margins": {"tau_R2": 0.0}}, "each must be above 0"),
        ({"primary": "training_time_min"}, "primary"),
        ({"error_budget": 0.5}, "error_budget"),
    ],
)
def test_what_contradicts_itself_is_refused(goal: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        validate(Campaign, BASE | {"goal": goal}, "c.yaml")


def test_runs_that_were_begun_before_there_was_a_goal_keep_their_identity() -> None:
    plain = validate(Campaign, BASE, "c.yaml")
    assert not {"goal", "surrogate"} & set(plain.shaping())
    other = validate(Campaign, BASE | {"goal": {"error_budget": 0.01}}, "c.yaml")
    assert other.identity() != plain.identity()
