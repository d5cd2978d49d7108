"""A slot's minutes are learned from those before it, and the load of the machine is taken out of them."""

from __future__ import annotations

import pytest

from agent.ledger.times import QuietTimes
from state.config import SlotConfig
from state.records import Failure, SlotResult

BASE = SlotConfig()
LONGER = BASE.replaced({"training.n_epochs": 3})
OTHER = BASE.replaced({"training.alternate_joint_ratio": 0.3})


def result(minutes: float | None, evaluation: float = 0.0, device: str = "cpu") -> SlotResult:
    if minutes is None:
        failure = Failure(kind="timed_out", message="x")
        return SlotResult(run_id="r", config_hash="h", status="failed", failure=failure, device=device)
    seconds = {"data": 0.0, "training": 60 * minutes, "evaluation": 60 * evaluation}
    return SlotResult(run_id="r", config_hash="h", status="done", seconds=seconds, device=device)


def learned(*batches: list[tuple[SlotConfig, float]]) -> QuietTimes:
    times = QuietTimes()
    for number, slots in enumerate(batches, 1):
        for config, minutes in slots:
            times.learn(config, result(minutes), number)
    return times


def test_nothing_is_known_before_a_slot_has_finished() -> None:
    times = QuietTimes()
    times.learn(BASE, result(None), 1)
    assert times.predict(BASE) is None
    assert times.load(1) is None


@pytest.mark.parametrize("first", ["loaded", "quiet"])
def test_the_same_config_that_took_5_6_and_1_7_minutes_is_a_config_of_1_7(first: str) -> None:
    loaded, quiet = [(BASE, 5.6), (BASE, 5.5)], [(BASE, 1.7), (BASE, 1.7)]
    batches = [loaded, quiet] if first == "loaded" else [quiet, loaded]
    times = learned(*batches)
    assert times.predict(BASE) == pytest.approx(1.7)
    assert times.predict(OTHER) == pytest.approx(1.7), "the time follows from the work"
    assert times.predict(LONGER) == pytest.approx(1.5 * 1.7)
    assert times.load(batches.index(loaded) + 1) == pytest.approx(5.5 / 1.7)
    assert times.load(batches.index(quiet) + 1) is None


def test_a_config_whose_only_run_was_in_a_loaded_batch_is_not_blamed() -> None:
    times = learned([(BASE, 2.0), (BASE, 2.0)], [(BASE, 6.0), (LONGER, 12.0)])
    assert times.predict(LONGER) == pytest.approx(4.0)


def test_a_batch_of_new_work_alone_says_nothing_of_a_load() -> None:
    times = learned([(BASE, 2.0)], [(LONGER, 3.6)])
    assert times.load(2) is None
    assert times.predict(LONGER) == pytest.approx(3.6)


def test_from_the_fifth_run_on_a_single_quick_one_decides_nothing() -> None:
    times = learned([(BASE, 10.0), (BASE, 10.0)], [(BASE, 4.0)], [(BASE, 10.0), (BASE, 10.0)])
    assert times.predict(BASE) == pytest.approx(10.0)


def test_what_does_not_grow_with_the_work_is_added() -> None:
    times = QuietTimes()
    times.learn(BASE, result(10.0, evaluation=1.0), 1)
    assert times.predict(BASE) == pytest.approx(11.0)
    assert times.predict(BASE.replaced({"training.n_epochs": 4})) == pytest.approx(21.0)


def test_a_machine_that_stays_slow_is_believed_in_the_end() -> None:
    times = learned(*[[(BASE, 5.0)]] * 4, *[[(BASE, 9.0)]] * 32)
    assert times.predict(BASE) == pytest.approx(9.0)


def test_runs_on_another_device_say_nothing() -> None:
    times = learned([(BASE, 2.0)])
    times.learn(BASE, result(7.0, device="H100"), 2)
    assert times.predict(BASE) == pytest.approx(7.0)
    assert times.load(2) is None
