"""What a night says of its explorer against the control arm: the figures against a computation by hand."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from scipy import stats

from agent.commands.status import describe, read_run
from agent.ledger.gains import Arm, Gains, gain_data, gain_lines, gains
from agent.night.night import Night
from agent.report.write import lines_json, write_report
from tests.agent.conftest import write_campaign
from tests.agent.night.test_explorers import play


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    root = tmp_path_factory.mktemp("gains")
    file = write_campaign(root / "c.yaml", control={"explorer": "random"}, surrogate={"failure_share": 0.1})
    return play(file, root / "run", 7)


def by_hand(night: Night, role: str) -> list[float]:
    """Gains from the journal's results alone: first runs of configs of ``role``, a failed one as 0."""
    runs = list(night.history.iterations.values())
    base = fmean(value(it) for it in runs if it.planned.role == "baseline")
    first: dict[str, Any] = {}
    for iteration in runs:
        first.setdefault(iteration.planned.config_id, iteration)
    return [value(it) - base for it in first.values() if it.planned.role == role]


def value(iteration: Any) -> float:
    result = iteration.result
    return 0.0 if result.failure else float(result.metrics["V_rest_R2"])


def test_the_figures_are_those_of_a_computation_by_hand(night: Night) -> None:
    found = gains(night)
    assert found is not None
    assert found.metric == night.campaign.goal.primary == "V_rest_R2"
    own, control = by_hand(night, "exploit"), by_hand(night, "control")
    assert list(found.own.gains.values()) == pytest.approx(own)
    assert list(found.control.gains.values()) == pytest.approx(control)
    assert len(own) >= 5
    assert len(control) == 6
    welch = stats.ttest_ind(own, control, equal_var=False).confidence_interval(0.95)
    assert found.difference == pytest.approx(fmean(own) - fmean(control))
    assert found.interval == pytest.approx((welch.low, welch.high))
    assert found.control.best == max(found.control.gains, key=lambda node: found.control.gains[node])


def test_every_reader_tells_the_same(night: Night) -> None:
    lines = gain_lines(night)
    assert len(lines) == 2
    assert describe(*read_run(night.paths.root))["control"] == lines
    told = json.loads(lines_json(night.paths.root))
    assert told["control"] == json.loads(json.dumps(gain_data(night)))
    assert all(line in told["lines"][-1]["text"] for line in lines)
    page = write_report(night.paths.root).read_text()
    assert "Against the control arm" in page


def arms(own: list[float], control: list[float], dollars: float | None = 0.0) -> Gains:
    return Gains("V_rest_R2", Arm(dict(enumerate(own))), Arm(dict(enumerate(control))), dollars)


def test_few_runs_tell_nothing_and_equal_ones_have_no_interval() -> None:
    assert arms([], []).difference is None
    assert arms([0.1, 0.2], [0.1, 0.0]).interval is None
    assert arms([0.1] * 4, [0.0] * 4).interval is None
    assert arms([0.1] * 4, [0.0] * 4).difference == pytest.approx(0.1)


def test_money_is_told_per_new_proposal_and_never_guessed() -> None:
    assert arms([0.1, 0.2], [0.0], 3.0).dollars_a_proposal == 1.5
    assert arms([], [], 3.0).dollars_a_proposal is None
    assert arms([0.1], [0.0], None).dollars_a_proposal is None


@pytest.mark.parametrize("batches", [1, 3])
def test_a_young_night_says_that_it_cannot_tell(tmp_path: Path, batches: int) -> None:
    young = play(write_campaign(tmp_path / "c.yaml", control={"explorer": "random"}), tmp_path / "run", batches)
    counts = {1: "0 and 0", 3: "2 and 2"}
    assert f"too few runs to tell: {counts[batches]}." in gain_lines(young)[1]
    assert gain_lines(young)[1].endswith("The mocked Claude cost nothing.")


def test_without_a_control_arm_nothing_is_said(tmp_path: Path) -> None:
    plain = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "run", 2)
    assert (gains(plain), gain_lines(plain), gain_data(plain)) == (None, [], None)
    assert "control" not in json.loads(lines_json(plain.paths.root))
