"""progress.json and metrics.log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from state.records import TrajectoryPoint
from trainer.slot import progress as module
from trainer.slot.progress import MetricsLog, Progress, Reporter


class Clock:
    """A clock that tests move by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds

    def time(self) -> float:
        return 1e9 + self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_the_file_is_rewritten_at_most_twice_a_second(tmp_path: Path, clock: Clock) -> None:
    heard: list[Progress] = []
    reporter = Reporter(tmp_path / "progress.json", heard.append)
    reporter.stage("training", 100)
    for iteration in range(1, 11):
        clock.seconds += 0.2
        reporter.advance(iteration, 100, 0, "joint")
    assert 4 <= len(heard) <= 5
    assert json.loads((tmp_path / "progress.json").read_text()) == vars(heard[-1])


def test_time_left_is_linear(tmp_path: Path, clock: Clock) -> None:
    reporter = Reporter(tmp_path / "progress.json")
    reporter.stage("training", 100)
    clock.seconds += 10
    reporter.advance(25, 100, 1, "V_rest")
    saved = json.loads((tmp_path / "progress.json").read_text())
    assert saved["eta_s"] == pytest.approx(30.0)
    assert (saved["stage"], saved["epoch"], saved["phase"], saved["iteration"], saved["total"]) == (
        "training", 1, "V_rest", 25, 100,
    )  # fmt: skip


def test_the_log_grows_row_by_row_and_writes_nan_for_undefined(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.log")
    assert (tmp_path / "metrics.log").read_text() == "epoch,iteration,connectivity_r2,vrest_r2,tau_r2,phase\n"
    row = TrajectoryPoint(epoch=0, iteration=5, connectivity_r2=0.25, vrest_r2=None, tau_r2=1.0, phase="joint")
    log.append(row)
    assert (tmp_path / "metrics.log").read_text().splitlines()[1] == "0,5,0.250000,nan,1.000000,joint"
    log.append(row)
    assert len((tmp_path / "metrics.log").read_text().splitlines()) == 3
