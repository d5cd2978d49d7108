"""What may be said of a config, in words and as data: one source for all that speaks of better."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.claude.mock import MockLLM
from agent.ledger.standing import NOTHING, candidate, standing, verdict_data, verdict_lines
from benchmarks.rehearsal import Rehearsal
from state.campaign import Campaign
from state.files import read_yaml
from state.schema import validate

ROOT = Path(__file__).resolve().parents[3]


def night(effect: float, batches: int) -> Rehearsal:
    tree = read_yaml(ROOT / "campaigns" / "null.yaml")
    tree["surrogate"] = {"surface": "ridge", "effect": effect, "failure_share": 0.0}
    made = Rehearsal(validate(Campaign, tree, "null"), MockLLM())
    made.run(batches)
    return made


@pytest.fixture(scope="module")
def found() -> Rehearsal:
    """A night that has confirmed a config."""
    return night(0.2, 30)


def test_before_anything_is_known_nothing_is_said() -> None:
    views = night(0.0, 1).views
    assert (standing(views, "C1"), standing(views, "C9"), candidate(views)) == ("baseline", NOTHING, None)
    assert verdict_lines(views)[0] == "Confirmed better than C1: nothing yet."
    assert "0 % used by 0 trials" in verdict_lines(views)[-1]


def test_a_confirmed_config_is_named_with_its_figures(found: Rehearsal) -> None:
    best = found.views.confirmations.best
    assert best is not None
    assert standing(found.views, best.config_id) == "confirmed better"
    assert best.config_id in verdict_lines(found.views)[0]
    assert "where " in verdict_lines(found.views)[0]
    data = verdict_data(found.views)
    assert data["best"] == best.config_id
    trial = next(one for one in data["trials"] if one["config_id"] == best.config_id)
    assert len(trial["simulation_seeds"]) == len(set(trial["simulation_seeds"])) == trial["runs"]
    low, high = trial["looks"][-1]["comparisons"]["V_rest_R2"]["interval"]
    assert 0 < low < 0.2 < high
    assert 0 < data["error_used"] < data["error_budget"]


def test_the_data_are_json(found: Rehearsal) -> None:
    data = verdict_data(found.views)
    assert json.loads(json.dumps(data, allow_nan=False))["primary"] == "V_rest_R2"
