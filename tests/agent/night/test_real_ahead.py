"""A place that is filled, with real processes: workers, a driver that is killed, the stand-in of a scheduler."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM
from agent.ledger.ledger import Ledger
from agent.night import ahead
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.night.owed_run import slot_ahead
from agent.replay.whole_run import replay_run
from state.engine import EngineConfig
from state.evening import Budget
from state.journal import Record, read_records
from state.shapes import SlotPlanned
from tests.agent.conftest import play, write_campaign
from tests.agent.night.test_standstill import HEAD, TAIL
from tests.trainer.engines import standins
from trainer.engines.contract import Dispatcher
from trainer.engines.factory import make_queued
from trainer.engines.local import LocalEngine, find_workers

# Batch 2: slot 0 crashes at once, the others train until its place is filled, and on; the run ahead, 9, into batch 3.
LINES = """
if number == 5: print("ValueError: no such thing", file=sys.stderr); sys.exit(3)
while number in (6, 7, 8) and not (folder.parent / "0009" / "job.json").exists(): time.sleep(0.05)
if number in (6, 7, 8): time.sleep(WAIT)
if number == 9: time.sleep(2 * WAIT)
"""
BATCHES = 3
ONCE = Counter(range(1, 13))
DRIVER = """
import sys
from pathlib import Path
from tests.agent.night.test_real_ahead import drive, here
drive(Path(sys.argv[1]), here(Path(sys.argv[1])))
"""


def begun(folder: Path, wait: float) -> Path:
    """A night whose first batch is done, and the worker of its others. C1 needs more runs than it has."""
    worker = folder / "worker.py"
    worker.write_text(HEAD + LINES.replace("WAIT", str(wait)) + TAIL)
    write_campaign(folder / "c.yaml", policy={"fill_idle": "on", "runs_of_top": 9})
    play(folder / "c.yaml", folder / "r", 1)
    return worker


def here(folder: Path) -> LocalEngine:
    return LocalEngine(places=4, threads=1, worker=(sys.executable, str(folder / "worker.py")))


def after_the_crash(ledger: Ledger, ended: Sequence[int], *facts: Any) -> SlotPlanned | None:
    """The surrogate tells of 76 minutes, so that slots which end a moment apart would make room as well."""
    return slot_ahead(ledger, ended, *facts) if list(ended) == [5] else None


def drive(folder: Path, engine: Dispatcher) -> Night:
    """The night in ``folder``, in which a first failure is believed after a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "ALIKE_S", 0.5)
        patch.setattr(ahead, "LOOK_S", 0.1)
        patch.setattr(ahead, "slot_ahead", after_the_crash)
        night, budget = open_night(folder / "c.yaml", folder / "r", dry_run=True), Budget(max_batches=BATCHES)
        try:
            night.record("driver_started", {"budget": budget.model_dump(), "slots_at_once": 4})
            run_night(night, MockLLM(), engine, lambda *_: None, budget)
            night.derived.flush()
        finally:
            night.close()
    return night


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[3]))


def records_of(folder: Path) -> list[Record]:
    return list(read_records(folder / "r" / "journal.jsonl"))


def starts(records: list[Record]) -> Counter[int]:
    return Counter(record.data["iteration"] for record in records if record.type == "slot_started")


def test_a_slot_that_crashes_makes_room_while_the_others_train(tmp_path: Path) -> None:
    begun(tmp_path, 2.0)
    night, records = drive(tmp_path, here(tmp_path)), records_of(tmp_path)
    [planned] = [record for record in records if record.type == "slot_planned"]
    assert (planned.batch, planned.data["ended"], planned.data["slot"]["iteration"]) == (2, [5], 9)
    place = {(record.type, record.data.get("iteration")): record.seq for record in records}
    assert planned.seq < place["slot_started", 9] < place["slot_finished", 6]
    assert place["slot_failed", 5] < place["slot_started", 10] < place["slot_finished", 9]
    assert starts(records) == ONCE
    assert night.history.committed == BATCHES
    assert [it.planned.iteration for it in night.history.batch(3)] == [9, 10, 11, 12]
    assert [n for n, it in night.history.iterations.items() if it.result and it.result.failed] == [5]
    assert replay_run(tmp_path / "r").passed


def ours(worker: Path, folder: Path) -> list[str]:
    return sorted(Path(place).name for place in find_workers(str(worker)) if place.startswith(str(folder)))


def killed(folder: Path, worker: Path) -> None:
    """A driver in a process of its own, killed as soon as the run ahead is at work."""
    process = subprocess.Popen([sys.executable, "-c", DRIVER, str(folder)], cwd=Path(__file__).resolve().parents[3])
    limit = time.monotonic() + 240
    while "0009" not in ours(worker, folder):
        assert time.monotonic() < limit
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not any(record.type == "slot_failed" for record in records_of(folder)), "the crash is held back"


def test_a_living_run_ahead_is_taken_up_by_the_next_driver(tmp_path: Path) -> None:
    worker = begun(tmp_path, 6.0)
    killed(tmp_path, worker)
    assert ours(worker, tmp_path) == ["0006", "0007", "0008", "0009"]
    night, records = drive(tmp_path, here(tmp_path)), records_of(tmp_path)
    # What was held back is not known any more: that slot alone is tried again.
    assert starts(records) == ONCE | Counter({5: 2})
    assert sum(record.type == "slot_planned" for record in records) == 1
    assert night.history.committed == BATCHES
    assert not ours(worker, tmp_path)
    assert replay_run(tmp_path / "r").passed


def test_a_run_ahead_that_died_with_its_driver_is_begun_again(tmp_path: Path) -> None:
    worker = begun(tmp_path, 6.0)
    killed(tmp_path, worker)
    for place, pid in find_workers(str(worker)).items():
        if place.startswith(str(tmp_path)):
            os.killpg(pid, signal.SIGKILL)
    drive(tmp_path, here(tmp_path))
    records = records_of(tmp_path)
    assert starts(records) == ONCE | Counter(dict.fromkeys(range(5, 10), 2))
    assert Counter(r.data["iteration"] for r in records if r.type == "slot_finished")[9] == 1
    assert replay_run(tmp_path / "r").passed


def test_a_result_that_came_while_no_driver_was_there_is_taken(tmp_path: Path) -> None:
    worker = begun(tmp_path, 6.0)
    killed(tmp_path, worker)
    limit = time.monotonic() + 240
    while ours(worker, tmp_path):
        assert time.monotonic() < limit
        time.sleep(0.05)
    drive(tmp_path, here(tmp_path))
    assert starts(records_of(tmp_path))[9] == 1
    assert replay_run(tmp_path / "r").passed


def test_a_scheduler_gets_the_run_ahead_as_one_more_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, state = begun(tmp_path, 6.0), tmp_path / "slurm"
    standins.install_slurm(state)
    monkeypatch.setenv("PATH", f"{state}{os.pathsep}{os.environ['PATH']}")
    config = {"kind": "slurm", "slurm": {"gres": None, "poll_interval_s": 0.2, "lost_after_s": 60.0}}
    engine = make_queued(EngineConfig.model_validate(config), (sys.executable, str(worker)))
    night, records = drive(tmp_path, engine), records_of(tmp_path)
    [planned] = [record for record in records if record.type == "slot_planned"]
    assert (planned.batch, planned.data["slot"]["iteration"]) == (2, 9)
    assert starts(records) == ONCE
    assert night.history.committed == BATCHES
    assert replay_run(tmp_path / "r").passed
