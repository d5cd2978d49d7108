"""The benchmark of `policy.cut` on hand-made runs whose savings and losses are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cut import Played, Tally, judge, runs_of
from tests.agent.conftest import play, write_campaign
from ucb.estimates import BASELINE

BASE = [Played(BASELINE, seed, 1, seed == 1, 0.5 + 0.01 * seed, 0.35, 0.8, 30.0) for seed in range(1, 7)]


def other(at_third: float | None, final: float | None, batch: int = 2, first: bool = True) -> Played:
    return Played("C2", 99, batch, first, at_third, 0.4, final, 30.0)


def test_savings_and_losses_are_counted() -> None:
    runs = [*BASE, other(0.1, 0.7), other(0.1, 0.9, first=False), other(0.53, 0.9), other(None, 0.9)]
    found = judge(runs)
    assert found["first runs"] == Tally(3, 1, 90.0, pytest.approx(18.0), 2, 0)
    assert found["all runs"] == Tally(4, 2, 120.0, pytest.approx(36.0), 3, 1)


def test_only_baseline_runs_of_earlier_batches_are_known() -> None:
    assert judge([*BASE, other(0.1, 0.7, batch=1)])["first runs"].cut == 0


def test_runs_are_read_from_a_journal(tmp_path: Path) -> None:
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 2)
    played = runs_of(night.paths.root, "V_rest_R2")
    done = [it for it in night.history.iterations.values() if it.result and it.result.failure is None]
    assert [run.final for run in played] == [it.result and it.result.metrics["V_rest_R2"] for it in done]
    assert all(1 / 3 <= run.share < 0.5 for run in played)
