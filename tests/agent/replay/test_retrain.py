"""An iteration trained again confirms its record, or contradicts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.replay.retrain import TOLERANCE, _threads, compare, retrain
from state.errors import RunError
from state.metrics import METRICS
from state.records import Failure, SlotResult


def result(value: float | None, device: str) -> SlotResult:
    return SlotResult(run_id="r", config_hash="h", status="done", metrics=dict.fromkeys(METRICS, value), device=device)


def test_a_recorded_iteration_is_confirmed(night: Path) -> None:
    done = retrain(night, 6)
    assert done.passed
    assert done.tolerance == 0.0
    assert [row.metric for row in done.rows if row.agrees is None] == ["training_time_min"]
    with pytest.raises(RunError, match="iteration 99 has no result; finished iterations go from 1 to 12"):
        retrain(night, 99)


@pytest.mark.parametrize(
    ("device", "want"), [("CPU x86_64, 2 threads", {"2"}), ("CPU x86_64, 1 thread", {"1"}), ("NVIDIA H100", set())]
)
def test_it_is_trained_with_the_recorded_number_of_threads(device: str, want: set[str]) -> None:
    assert set(_threads(result(0.5, device)).values()) == want


def test_on_the_same_device_nothing_may_differ_on_another_a_little() -> None:
    assert compare(1, result(0.5, "a"), result(0.5, "a")).passed
    assert not compare(1, result(0.5, "a"), result(0.5 + 1e-12, "a")).passed
    assert compare(1, result(0.5, "a"), result(0.5 + TOLERANCE / 2, "b")).passed
    assert not compare(1, result(0.5, "a"), result(0.5 + TOLERANCE * 2, "b")).passed
    assert not compare(1, result(0.5, "a"), result(None, "b")).passed


def test_a_failure_is_confirmed_by_the_same_failure() -> None:
    kinds = ("diverged", "crashed")
    failed = [
        SlotResult(run_id="r", config_hash="h", status="failed", failure=Failure(kind=kind, message="x"))  # type: ignore[arg-type]
        for kind in kinds
    ]
    assert compare(1, failed[0], failed[0]).passed
    assert "recorded as diverged, now crashed" in str(compare(1, *failed).failure)
    assert "recorded as done, now crashed" in str(compare(1, result(0.5, ""), failed[1]).failure)
