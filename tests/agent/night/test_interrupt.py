"""Signals wait for a wait: what is being written is finished first."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from agent.claude.mock import MockLLM
from agent.night.interrupt import SIGNALS, Interrupt
from agent.night.loop import run_night
from agent.night.night import open_night
from state.evening import Budget
from state.journal import Journal, Record, read_records
from trainer.engines.inline import InlineEngine


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_kept_until_the_program_waits(number: signal.Signals) -> None:
    interrupt, done = Interrupt(), []
    with interrupt:
        signal.raise_signal(number)
        done.append("written")
        with pytest.raises(KeyboardInterrupt), interrupt.welcome():
            done.append("waited")
        with interrupt.welcome():
            done.append("next")
    assert done == ["written", "next"]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_wait_at_once(number: signal.Signals) -> None:
    def wait() -> None:
        with interrupt.welcome():
            signal.raise_signal(number)
            time.sleep(100)

    interrupt = Interrupt()
    with interrupt, pytest.raises(KeyboardInterrupt):
        wait()


def test_a_second_signal_does_not_wait() -> None:
    with Interrupt():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_outside_the_handlers_are_what_they_were() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupt():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_interrupted_within_any_record_the_journal_stays_whole(
    campaign_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes after the line is on the disk and before it is folded: the worst moment there is."""
    write = Journal._write
    for number in (1, 4, 9, 14, 19):
        night, left = open_night(campaign_file, tmp_path / f"r{number}", True), [number]

        def interrupted(self: Journal, line: bytes, left: list[int] = left) -> None:
            write(self, line)
            left[0] -= 1
            if left[0] == 0:
                signal.raise_signal(signal.SIGINT)

        with monkeypatch.context() as patch, night.interrupt:
            patch.setattr(Journal, "_write", interrupted)
            with pytest.raises(KeyboardInterrupt):
                run_night(night, MockLLM(), InlineEngine(), lambda *_: None, Budget(max_batches=5))
            night.record("driver_stopped", {"reason": "x"})
        night.close()
        records: list[Record] = list(read_records(night.paths.journal))
        assert records[-1].type == "driver_stopped"
        assert night.history.records == len(records)
