"""The local engine with several jobs in one worker: each still ends by itself, and a later driver finds all of them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from state.records import Failure, SlotResult
from tests.trainer.engines.workers import PATIENCE_S, ended, gone, job, pids, until
from trainer.engines import local
from trainer.engines.contract import STACK_BROKE, Job, collect
from trainer.engines.local import LocalEngine
from trainer.engines.processes import find_workers, process_start, signal_group

# As the real one: each folder has a result when it is told to finish or to leave, and the process ends with the last.
WORKER = f"""
import os, signal, sys, time
from pathlib import Path
folders = [Path(word) for word in sys.argv[1:]]
def publish(folder, name, text):
    (folder / ".part").write_text(text)
    (folder / ".part").rename(folder / name)
def told(*_):
    for folder in folders:
        publish(folder, "terminated", "")
    os._exit(7)
signal.signal(signal.SIGTERM, told)
print("words of the worker", file=sys.stderr, flush=True)
for folder in folders:
    publish(folder, "pids", str(os.getpid()))
open_ = list(folders)
for _ in range(100 * {PATIENCE_S}):
    for folder in list(open_):
        if (folder / "break").exists():
            sys.exit(int((folder / "break").read_text()))
        for sign, result in (("leave", "left.json"), ("go", "good.json")):
            if folder in open_ and (folder / sign).exists():
                publish(folder, "result.json", (folder / result).read_text())
                open_.remove(folder)
    if not open_ and not (folders[0] / "stay").exists():
        sys.exit(0)
    time.sleep(0.01)
"""


@pytest.fixture
def worker(tmp_path: Path) -> tuple[str, str]:
    script = tmp_path / "stacked_worker.py"
    script.write_text(WORKER)
    return sys.executable, str(script)


@pytest.fixture
def make(worker: tuple[str, str]) -> Iterator[Callable[..., LocalEngine]]:
    """Builds engines and ends what a failing test left running."""
    engines: list[LocalEngine] = []

    def build(**fields: Any) -> LocalEngine:
        engines.append(LocalEngine(**{"places": 1, "threads": 1, "worker": worker, "stack": 4} | fields))
        return engines[-1]

    yield build
    for engine in engines:
        for run in engine._running.values():
            signal_group(run.worker.pid, signal.SIGKILL)


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    made = [job(tmp_path, f"j{n}", "") for n in range(4)]
    for one in made:
        failure = Failure(kind="killed", message="ended on request")
        left = SlotResult(run_id=one.run_id, config_hash="h", status="failed", failure=failure)
        (one.folder / "left.json").write_text(left.model_dump_json())
    return made


def go(*some: Job) -> None:
    for one in some:
        (one.folder / "go").touch()


def groups(jobs: list[Job]) -> list[list[str]]:
    """Which jobs share a process, by run id."""
    by_pid: dict[int, list[str]] = {}
    for one in jobs:
        by_pid.setdefault(pids(one)[0], []).append(one.run_id)
    return list(by_pid.values())


@pytest.mark.parametrize(
    ("places", "stack", "want"),
    [
        (1, 4, [["j0", "j1", "j2", "j3"]]),
        (2, 4, [["j0", "j1"], ["j2", "j3"]]),
        (3, 4, [["j0", "j1"], ["j2"], ["j3"]]),
        (4, 4, [["j0"], ["j1"], ["j2"], ["j3"]]),
        (1, 2, [["j0", "j1"]]),
    ],
)
def test_jobs_share_a_worker_where_they_outnumber_the_places(
    places: int, stack: int, want: list[list[str]], make: Callable[..., LocalEngine], jobs: list[Job]
) -> None:
    engine = make(places=places, stack=stack)
    for one in jobs:
        assert engine.submit([one]) == []
    began, over = engine.poll()
    assert [one.run_id for one in began] == [name for group in want for name in group]
    assert over == []
    assert groups(began) == want
    go(*jobs)
    assert {collect(end).status for end in ended(engine, 4).values()} == {"done"}


def test_a_job_that_must_be_alone_is(make: Callable[..., LocalEngine], jobs: list[Job]) -> None:
    engine = make(places=1)
    go(*jobs)
    engine.submit([jobs[0], replace(jobs[1], alone=True), replace(jobs[2], threads=3), jobs[3]])
    assert len(engine.poll()[0]) == 1
    ended(engine, 4)
    assert len(groups(jobs)) == 4


def test_one_that_ends_is_told_at_once_and_the_place_is_free_with_the_last(
    make: Callable[..., LocalEngine], jobs: list[Job], tmp_path: Path
) -> None:
    engine, late = make(), job(tmp_path, "late", "")
    engine.submit(jobs)
    engine.poll()
    pid = pids(jobs[0])[0]
    engine.submit([late])
    go(jobs[2])
    end = ended(engine, 1)["j2"]
    assert collect(end).status == "done"
    assert process_start(pid) is not None
    (jobs[0].folder / "stay").touch()
    go(*jobs)
    # Two more by their results; the last one only with the process, which may still hold its device.
    assert len(ended(engine, 2)) == 2
    assert engine.poll() == ([], [])
    assert not (late.folder / "pids").exists()
    (jobs[0].folder / "stay").unlink()
    (last,) = ended(engine, 1).values()
    assert last.exit_code == 0
    go(late)
    ended(engine, 1)
    assert pids(late) != [pid]


def test_a_cancelled_job_leaves_alone_and_several_that_are_all_cancelled_are_terminated(
    make: Callable[..., LocalEngine], jobs: list[Job]
) -> None:
    engine = make()
    engine.submit(jobs[:3])
    engine.poll()
    pid = pids(jobs[0])[0]
    engine.cancel("j1")
    failure = collect(end := ended(engine, 1)["j1"]).failure
    assert end.cancelled
    assert failure is not None
    assert failure.message == "ended on request"
    assert process_start(pid) is not None
    assert not (jobs[0].folder / "terminated").exists()
    engine.cancel("j0")
    engine.cancel("j2")
    assert all(one.cancelled for one in ended(engine, 2).values())
    until(lambda: gone([pid]), "the worker is gone")
    # What is started again is not asked to leave once more.
    go(jobs[1])
    engine.submit([jobs[1]])
    assert collect(ended(engine, 1)["j1"]).status == "done"


def test_all_of_a_worker_have_its_wall_time(
    make: Callable[..., LocalEngine], jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(local, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=lambda s: None))
    engine = make()
    engine.submit([replace(jobs[0], time_limit_s=10), *jobs[1:3]])
    engine.poll()
    pids(jobs[2])
    now[0] += 11
    end = ended(engine, 1)["j0"]
    assert (end.timed_out, end.cancelled) == (True, False)
    now[0] += 1000
    over = ended(engine, 2)
    assert {(one.timed_out, one.exit_code) for one in over.values()} == {(True, 7)}


def test_close_terminates_them_together(make: Callable[..., LocalEngine], jobs: list[Job]) -> None:
    engine = make()
    engine.submit(jobs)
    engine.poll()
    pids(jobs[3])
    engine.close()
    assert all((one.folder / "terminated").exists() for one in jobs)
    assert not any((one.folder / "leave").exists() for one in jobs)


def test_after_one_that_broke_nothing_is_stacked(make: Callable[..., LocalEngine], jobs: list[Job]) -> None:
    engine = make()
    engine.submit(jobs[:2])
    engine.poll()
    pids(jobs[1])
    for one in jobs[:2]:
        (one.folder / "result.json").write_text((one.folder / "left.json").read_text())
    (jobs[0].folder / "break").write_text(str(STACK_BROKE))
    for end in ended(engine, 2).values():
        failure = collect(end).failure
        assert failure is not None
        assert failure.blameless
    assert engine.submit(jobs[2:]) == [jobs[2]]
    go(*jobs)
    ended(engine, 2)


def test_of_a_worker_that_crashed_each_job_has_its_last_words(
    make: Callable[..., LocalEngine], jobs: list[Job]
) -> None:
    engine = make()
    engine.submit(jobs[:3])
    engine.poll()
    pids(jobs[2])
    (jobs[1].folder / "stderr.log").write_text("own words\n")
    (jobs[0].folder / "break").write_text("1")
    found = {run_id: collect(end).failure for run_id, end in ended(engine, 3).items()}
    said = {run_id: failure.message for run_id, failure in found.items() if failure is not None}
    assert said == {
        "j0": "exit code 1: words of the worker",
        "j1": "exit code 1: own words",
        "j2": "exit code 1: words of the worker",
    }


def test_a_later_driver_finds_all_jobs_of_a_worker(make: Callable[..., LocalEngine], jobs: list[Job]) -> None:
    engine = make()
    engine.submit(jobs[:3])
    engine.poll()
    pid = pids(jobs[2])[0]
    later = make()
    go(jobs[0])
    until(lambda: (jobs[0].folder / "result.json").exists(), "one ends unseen")
    assert later.reattach(jobs) == jobs[:3]
    assert collect(ended(later, 1)["j0"]).status == "done"
    later.cancel("j1")
    assert ended(later, 1)["j1"].cancelled
    assert process_start(pid) is not None
    os.kill(pid, signal.SIGKILL)
    assert engine._running["j0"].worker.process is not None
    engine._running["j0"].worker.process.wait()
    failure = collect(ended(later, 1)["j2"]).failure
    assert failure is not None
    assert failure.kind == "lost"


def test_of_two_workers_in_a_folder_the_younger_counts(
    make: Callable[..., LocalEngine], jobs: list[Job], worker: tuple[str, str]
) -> None:
    engine, other = make(), make()
    engine.submit(jobs[:2])
    engine.poll()
    first = pids(jobs[1])[0]
    engine.cancel("j1")
    ended(engine, 1)
    (jobs[1].folder / "pids").unlink()
    other.submit([jobs[1]])
    other.poll()
    found = find_workers(worker[-1])
    assert found[str(jobs[0].folder)] == first
    assert found[str(jobs[1].folder)] == pids(jobs[1])[0] != first
    go(*jobs[:2])
    ended(engine, 1)
    ended(other, 1)
