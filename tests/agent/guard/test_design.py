"""Each rule of the two other designs, broken alone; none of them exists in a campaign of roles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.guard.design import DESIGN_RULES
from agent.guard.table import demands
from agent.night.night import Night
from prompts.render import render_prompt, render_system
from tests.agent.conftest import play, write_campaign
from tests.agent.guard.replies import good, settled, verdict


def night_of(design: str, folder: Path) -> Night:
    return play(
        write_campaign(folder / "c.yaml", policy={"design": design}, surrogate={"failure_share": 0.0}), folder / "r", 1
    )


@pytest.fixture(scope="module")
def forced(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return night_of("forced_seeds", tmp_path_factory.mktemp("forced"))


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return night_of("one_change", tmp_path_factory.mktemp("single"))


def proposal(reply: dict[str, Any], slot: int) -> dict[str, Any]:
    found: dict[str, Any] = reply[f"slot_{slot}"]["proposal"]
    return found


def test_a_second_config_in_a_batch_of_one(forced: Night) -> None:
    reply = good(forced)
    assert verdict(forced, reply) == []
    other = proposal(reply, 2)
    other |= {"edits": [{"key": "training.n_epochs", "value": 3}], "mutation": "n_epochs: 2 -> 3"}
    assert verdict(forced, reply) == [("one_config", 2)]
    assert [one["role"] for one in settled(forced, reply)["proposals"]].count("fallback") == 1


def test_seeds_of_ones_own(forced: Night) -> None:
    reply = good(forced)
    proposal(reply, 1).update(training_seed=77, seed_rationale="different-data-generalization")
    assert verdict(forced, reply) == [("forced_seeds", 1)]


def test_a_control_that_is_changed(single: Night) -> None:
    reply = good(single)
    assert verdict(single, reply) == []
    proposal(reply, 0).update({key: proposal(reply, 1)[key] for key in ("role", "parent", "edits", "mutation")})
    assert ("control", 0) in verdict(single, reply)


def test_two_changes_and_none(single: Night) -> None:
    reply = good(single)
    double = proposal(reply, 1)
    double |= {
        "edits": [{"key": "training.n_epochs", "value": 3}, {"key": "training.alternate_lr_ratio", "value": 0.2}],
        "mutation": "n_epochs: 2 -> 3, alternate_lr_ratio: 0.1 -> 0.2",
    }
    again = proposal(reply, 0)
    proposal(reply, 2).update({key: again[key] for key in ("role", "edits")})
    proposal(reply, 2)["mutation"] = f"[none] — robustness re-run of Node {proposal(reply, 2)['parent']}"
    found = verdict(single, reply)
    assert ("one_change", 1) in found
    assert ("one_change", 2) in found


def test_another_parent_than_the_control(tmp_path: Path) -> None:
    night = play(write_campaign(tmp_path / "c.yaml", policy={"design": "one_change"}), tmp_path / "r", 2)
    reply = good(night)
    assert verdict(night, reply) == []
    own = night.history.iterations[proposal(reply, 0)["parent"]].planned.config_id
    other = next(it for it in night.history.iterations.values() if it.planned.config_id != own)
    key, value = "training.data_augmentation_loop", 30
    before = night.views.config(other).flat()[key]
    proposal(reply, 3).update(
        parent=other.planned.iteration,
        edits=[{"key": key, "value": value}],
        mutation=f"data_augmentation_loop: {before} -> {value}",
    )
    assert ("one_parent", 3) in verdict(night, reply)


def test_a_baseline_block_is_the_same_in_every_design(tmp_path: Path) -> None:
    for design in ("forced_seeds", "one_change"):
        policy = {"design": design, "baseline_runs": 8}
        night = play(write_campaign(tmp_path / f"{design}.yaml", policy=policy), tmp_path / design, 1)
        assert verdict(night, good(night)) == []


def test_only_the_designs_own_rules_are_told(forced: Night, single: Night, night: Night) -> None:
    for one in (forced, single, night):
        told = {demand.code for demand in demands(one.campaign)} & {rule.code for rule in DESIGN_RULES}
        assert told == {rule.code for rule in DESIGN_RULES if rule.design == one.campaign.policy.design}


def test_the_prompt_says_what_the_design_is(forced: Night, single: Night) -> None:
    from agent.briefing.context import build_context

    assert "# One config a batch" in render_system(build_context(forced))
    assert "One config in all 4 slots" in render_prompt(build_context(forced))
    assert "# One change a slot" in render_system(build_context(single))
    assert "At least 1 of 4 slots have role replicate: slot 0 is the control" in render_prompt(build_context(single))
