"""Slots that are lost, and slots that all fail: real workers, real kills, a full disk, a scheduler that says so."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.night.standstill import are_alike
from agent.replay.whole_run import replay_run
from state.engine import EngineConfig
from state.errors import Standstill
from state.evening import Budget
from state.journal import Record, read_records
from state.paths import RunPaths
from state.records import Failure
from tests.agent.conftest import write_campaign
from tests.trainer.engines import standins
from trainer.engines.contract import Dispatcher
from trainer.engines.factory import make_queued
from trainer.engines.local import LocalEngine

HEAD = """
import json, os, signal, sys, time
from pathlib import Path
from state.files import read_yaml, write_atomic
from state.config import SlotConfig
from trainer.engines.surrogate import surrogate_result
from state.surrogate import SurrogateConfig

folder = Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text())
number, attempt = int(folder.name), int(job["run_id"].rpartition(".a")[2])
"""
TAIL = """
config = SlotConfig.model_validate(read_yaml(folder / "config.yaml"))
result = surrogate_result(config, job["run_id"], SurrogateConfig(failure_share=0.0))
write_atomic(folder / "result.json", result.model_dump_json())
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], LocalEngine]:
    """An engine of real processes that run the given lines before they finish as they should."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[3]))

    def make(lines: str) -> LocalEngine:
        worker = tmp_path / "worker.py"
        worker.write_text(HEAD + lines + TAIL)
        return LocalEngine(places=4, threads=1, worker=(sys.executable, str(worker)))

    return make


def drive(tmp_path: Path, by: Dispatcher, batches: int, llm: Any = None, **changes: Any) -> Night:
    night = open_night(write_campaign(tmp_path / "c.yaml", **changes), tmp_path / "r", dry_run=True)
    try:
        run_night(night, llm or MockLLM(), by, lambda *_: None, Budget(max_batches=batches))
    finally:
        night.close()
    return night


def of(root: Path, kind: str) -> list[Record]:
    return [record for record in read_records(root / "journal.jsonl") if record.type == kind]


KILLED = "if number == 2 and attempt <= {times}: os.kill(os.getpid(), signal.{signal})\n"


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_slot_killed_from_outside_is_run_again(
    name: str, engine: Callable[[str], LocalEngine], tmp_path: Path
) -> None:
    night = drive(tmp_path, engine(KILLED.format(times=2, signal=name)), 1)
    second = night.history.iterations[2]
    assert second.result is not None
    assert second.result.failure is None
    assert (second.attempts, second.lost) == (3, 2)
    assert [r.data["after"]["kind"] for r in of(tmp_path / "r", "slot_started") if "after" in r.data] == ["killed"] * 2
    assert len(night.views.table["C1"].runs) == 4
    assert replay_run(tmp_path / "r").passed


BREAKS = """
# A device that carries one slot only.
folders = [Path(word) for word in sys.argv[1:]]
with (folder.parent.parent / "together").open("a") as file:
    file.write(f"{len(folders)} ")
if len(folders) > 1:
    for one in folders:
        run_id = json.loads((one / "job.json").read_text())["run_id"]
        failure = {"kind": "killed", "message": "the slots of one process were ended together (out of memory)"}
        result = {"run_id": run_id, "config_hash": json.loads((one / "job.json").read_text())["config_hash"]}
        write_atomic(one / "result.json", json.dumps({**result, "status": "failed", "failure": failure}))
    sys.exit(4)
"""


def test_slots_that_do_not_fit_together_are_run_again_alone_and_no_later_ones_are_stacked(
    engine: Callable[[str], LocalEngine], tmp_path: Path
) -> None:
    together = engine(BREAKS)
    together.places, together.stack = 1, 4
    night = drive(tmp_path, together, 2)
    assert (tmp_path / "r" / "together").read_text().split() == ["4", *["1"] * 8]
    results = [iteration.result for iteration in night.history.iterations.values()]
    assert [result.status for result in results if result is not None] == ["done"] * 8
    told = [r.data["after"]["message"] for r in of(tmp_path / "r", "slot_started") if "after" in r.data]
    assert told == ["the slots of one process were ended together (out of memory)"] * 4
    assert replay_run(tmp_path / "r").passed


def test_one_that_never_finishes_counts_in_no_statistic(engine: Callable[[str], LocalEngine], tmp_path: Path) -> None:
    night = drive(tmp_path, engine(KILLED.format(times=99, signal="SIGKILL")), 3, engine={"retries": 1})
    second = night.history.iterations[2]
    assert second.result is not None
    assert second.result.failure is not None
    assert (second.result.failure.kind, second.attempts) == ("killed", 2)
    assert sorted(run.iteration for run in night.views.table["C1"].runs)[:3] == [1, 3, 4]
    assert night.views.table["C1"].failed == 0
    assert night.views.table["C1"].robustness != "fragile"
    assert "## Iter 2: failed" in night.paths.log.read_text()
    assert replay_run(tmp_path / "r").passed


def test_a_config_whose_only_run_was_lost_spoils_no_prompt(
    engine: Callable[[str], LocalEngine], tmp_path: Path
) -> None:
    lost = "if number in (5, 6): os.kill(os.getpid(), signal.SIGKILL)\n"
    night = drive(tmp_path, engine(lost), 4, engine={"retries": 0})
    assert night.history.committed == 4
    names = {night.history.iterations[n].planned.config_id for n in (5, 6)} - {"C1"}
    assert names
    assert replay_run(tmp_path / "r").passed


def test_what_the_config_did_itself_is_not_run_again(engine: Callable[[str], LocalEngine], tmp_path: Path) -> None:
    crash = "if number == 2: print('ValueError: no such thing', file=sys.stderr); sys.exit(3)\n"
    night = drive(tmp_path, engine(crash), 1)
    assert night.history.iterations[2].attempts == 1
    assert night.views.table["C1"].failed == 1


class Counting(MockLLM):
    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def complete(self, *arguments: Any) -> Any:
        self.asked += 1
        return super().complete(*arguments)


GONE = "print(f'RuntimeError: CUDA error: no device {os.getpid()}', file=sys.stderr); sys.exit(1)\n"


def test_all_slots_that_fail_alike_stop_the_night_before_claude_is_asked(
    engine: Callable[[str], LocalEngine], tmp_path: Path
) -> None:
    llm = Counting()
    with pytest.raises(Standstill, match=r"all 4 slots of batch 1 failed alike.*CUDA error: no device"):
        drive(tmp_path, engine(GONE), 3, llm)
    assert llm.asked == 1, "the start call alone"
    assert not of(tmp_path / "r", "slot_failed"), "they say nothing about the config"
    night = drive(tmp_path, engine(""), 2)
    assert night.views.table["C1"].failed == 0
    assert [it.attempts for it in night.history.batch(1)] == [2] * 4
    assert replay_run(tmp_path / "r").passed


def test_in_the_middle_of_a_night_as_well(engine: Callable[[str], LocalEngine], tmp_path: Path) -> None:
    llm = Counting()
    with pytest.raises(Standstill, match="all 4 slots of batch 3 failed alike"):
        drive(tmp_path, engine(f"if number > 8: {GONE}"), 5, llm)
    assert llm.asked == 3
    assert replay_run(tmp_path / "r").passed


OTHERWISE = "print(f'Error: {chr(65 + number)}', file=sys.stderr); sys.exit(1)\n"


def test_all_that_fail_in_different_ways_stop_it_after_the_second_batch(
    engine: Callable[[str], LocalEngine], tmp_path: Path
) -> None:
    llm = Counting()
    with pytest.raises(Standstill, match=r"all 4 slots of batch 2 failed .*the 2\. such batch in a row"):
        drive(tmp_path, engine(OTHERWISE), 5, llm)
    assert llm.asked == 2
    assert len(of(tmp_path / "r", "slot_failed")) == 4


def test_the_campaign_may_allow_more_and_one_good_slot_is_enough(
    engine: Callable[[str], LocalEngine], tmp_path: Path
) -> None:
    with pytest.raises(Standstill, match="batch 3"):
        drive(tmp_path, engine(GONE), 5, policy={"max_failed_batches": 3})
    assert len(of(tmp_path / "r", "slot_failed")) == 8
    (tmp_path / "one").mkdir()
    night = drive(tmp_path / "one", engine(f"if number % 4: {GONE}"), 3)
    assert night.history.committed == 3


def test_the_same_config_that_diverges_everywhere_is_no_lost_device() -> None:
    assert are_alike([Failure(kind="crashed", message="pid 17")] * 2)
    assert are_alike([Failure(kind="crashed", message="pid 17"), Failure(kind="crashed", message="pid 18")])
    assert not are_alike([Failure(kind="diverged", message="x")] * 4)
    assert not are_alike([Failure(kind="crashed", message="x")])
    assert not are_alike([Failure(kind="crashed", message="x"), Failure(kind="lost", message="x")])


def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> tuple[Dispatcher, Path]:
    """The Slurm engine with stand-ins of its commands."""
    worker, state = tmp_path / "worker.py", tmp_path / "slurm"
    worker.write_text(HEAD + lines + TAIL)
    standins.install_slurm(state)
    monkeypatch.setenv("PATH", f"{state}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[3]))
    config = {"kind": "slurm", "slurm": {"gres": None, "poll_interval_s": 0.2, "lost_after_s": 2.0}}
    return make_queued(EngineConfig.model_validate(config), (sys.executable, str(worker))), state


def test_a_preempted_slot_is_run_again_and_the_baseline_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = "if number == 1 and attempt == 1: (folder / 'here').touch(); time.sleep(600)\n"
    engine, state = slurm(tmp_path, monkeypatch, waits)

    def preempt() -> None:
        here, end = RunPaths(tmp_path / "r").slot(1).root / "here", time.monotonic() + 60
        while not here.exists() and time.monotonic() < end:
            time.sleep(0.05)
        name = next(path.stem for path in state.glob("*.0001.a1-*.pid"))
        (state / f"{name}.word").write_text("PREEMPTED")
        leader = int((state / f"{name}.pid").read_text())
        for entry in Path("/proc").iterdir():
            # The whole job goes at once, as a node does: the script and, in a group of its own, its worker.
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and os.getsid(int(entry.name)) == leader:
                    os.kill(int(entry.name), signal.SIGKILL)

    killer = threading.Thread(target=preempt)
    killer.start()
    night = drive(tmp_path, engine, 1)
    killer.join()
    first = night.history.iterations[1]
    assert first.result is not None
    assert first.result.failure is None
    again = [r.data["after"] for r in of(tmp_path / "r", "slot_started") if "after" in r.data]
    assert [one["kind"] for one in again] == ["lost"]
    assert "PREEMPTED" in again[0]["message"]
    assert night.views.table["C1"].failed == 0
    assert replay_run(tmp_path / "r").passed


MOVING = """
(folder / 'here').touch()
for step in range(80):
    (folder / 'progress.json').write_text(json.dumps({'iteration': step}))
    time.sleep(0.1)
"""


def test_a_squeue_that_lists_nothing_kills_no_slot_whose_progress_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, state = slurm(tmp_path, monkeypatch, MOVING)
    (state / "blind").touch()
    night = drive(tmp_path, engine, 1)
    assert [it.attempts for it in night.history.batch(1)] == [1] * 4
    assert all(it.result is not None and it.result.failure is None for it in night.history.batch(1))
    assert standins.calls(state, "scancel") == 0
    assert json.loads((tmp_path / "r" / "slots" / "0001" / "result.json").read_text())["status"] == "done"


def test_a_job_that_is_given_up_is_cancelled_before_its_successor_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = "if number == 1 and attempt == 1: (folder / 'pid').write_text(str(os.getpid())); time.sleep(600)\n"
    engine, state = slurm(tmp_path, monkeypatch, hangs)
    blind = state / "blind"
    blind.touch()
    night = drive(tmp_path, engine, 1)
    assert standins.calls(state, "scancel") >= 1
    pid = int((tmp_path / "r" / "slots" / "0001" / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()
    assert night.history.iterations[1].attempts == 2
    assert all(it.result is not None and it.result.failure is None for it in night.history.batch(1))


def test_a_result_that_lies_there_when_a_job_is_given_up_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = """
config = SlotConfig.model_validate(read_yaml(folder / "config.yaml"))
done = surrogate_result(config, job["run_id"], SurrogateConfig(failure_share=0.0)).model_dump_json()
if number == 1: write_atomic(folder / "result.json", done); time.sleep(600)
"""
    engine, state = slurm(tmp_path, monkeypatch, late)
    (state / "blind").touch()
    night = drive(tmp_path, engine, 1)
    assert [it.attempts for it in night.history.batch(1)] == [1] * 4
    assert all(it.result is not None and it.result.failure is None for it in night.history.batch(1))
    assert replay_run(tmp_path / "r").passed
