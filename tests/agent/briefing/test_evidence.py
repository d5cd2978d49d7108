"""What prompts show of all runs together: every run once, the noise that was put in, the effect that was put in."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.briefing.evidence import SHOWN_RUNS, effect_lines, noise_lines, run_lines
from agent.claude.mock import MockLLM
from benchmarks.rehearsal import Rehearsal
from state.campaign import Campaign
from state.files import read_yaml
from state.schema import validate

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def night() -> Rehearsal:
    tree = read_yaml(ROOT / "campaigns" / "null.yaml")
    tree["surrogate"] = {
        "surface": "ridge",
        "effect": 0.2,
        "noise_data": 0.03,
        "noise_training": 0.02,
        "bad_share": 0.1,
    }
    made = Rehearsal(validate(Campaign, tree, "null"), MockLLM())
    made.run(26)
    return made


def test_each_of_the_latest_runs_has_one_row(night: Rehearsal) -> None:
    rows = [line.strip("| ").split(" | ") for line in run_lines(night)]
    assert [int(row[0]) for row in rows] == list(range(104 - SHOWN_RUNS + 1, 105))
    words = {row[-1].strip("| ") for row in rows}
    assert {"failed", "bad"} <= words
    shown = {int(row[0]): row for row in rows}
    iteration = night.history.iterations[104]
    assert iteration.result is not None
    if iteration.result.failure is None:
        assert f"{iteration.result.metrics['V_rest_R2']:.3f}" in shown[104]


def test_the_noise_is_about_what_was_put_in(night: Rehearsal) -> None:
    noise = night.views.estimates.noise("connectivity_R2")
    assert noise.seeds.square**0.5 == pytest.approx(0.036, rel=0.25)
    assert any(
        line.startswith("connectivity_R2: one run of any config varies by sd 0.0") for line in noise_lines(night)
    )
    assert "flatter" in noise_lines(night)[-1]


def test_the_effect_is_found_and_the_others_are_not_larger(night: Rehearsal) -> None:
    lines = [line for line in effect_lines(night) if line.startswith("V_rest_R2: ")]
    slopes = {line.split(": ")[1]: line.split(": ")[2] for line in lines}
    slope, error = (float(word) for word in slopes["alternate_joint_ratio"].split(" per ")[0].split(" +/- "))
    assert slope > 4 * error > 0
