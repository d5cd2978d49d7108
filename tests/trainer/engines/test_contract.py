"""The contract of all engines, the same tests with every engine and real processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from state.metrics import METRICS
from state.paths import SlotPaths
from tests.trainer.engines.conftest import Bench
from tests.trainer.engines.workers import FAMILY, WAITS, began, ended, gone, job, killed_driver, pids, runs, until
from trainer.engines.contract import collect


def test_a_job_that_succeeds_is_reported_once_with_its_result(tmp_path: Path, bench: Bench) -> None:
    engine, one = bench.build(), job(tmp_path, "one", "print('out'); print('err', file=sys.stderr); succeed()")
    engine.submit([one])
    end = ended(engine, 1)["one"]
    assert (end.job, end.exit_code, end.timed_out, end.cancelled) == (one, 0, False, False)
    assert collect(end).metrics == dict.fromkeys(METRICS, 0.5)
    assert sorted(SlotPaths(one.folder).stderr.read_text().split()) == ["err", "out"]
    assert engine.poll() == ([], [])
    assert runs(one) == 1


@pytest.mark.parametrize(
    ("task", "code", "kind", "says"),
    [
        ("print('first\\nlast words', file=sys.stderr); sys.exit(3)", 3, "crashed", "exit code 3: last words"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", -11, "killed", "signal 11"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, "killed", "SIGKILL"),
        ("pass", 0, "no_result", "no result.json"),
    ],
)
def test_a_job_that_fails_is_a_typed_failure(
    tmp_path: Path, bench: Bench, task: str, code: int, kind: str, says: str
) -> None:
    engine, one = bench.build(), job(tmp_path, "one", task)
    (one.folder / "result.json").write_text((one.folder / "good.json").read_text())
    engine.submit([one])
    end = ended(engine, 1)["one"]
    failure = collect(end).failure
    assert end.exit_code == code
    assert failure is not None
    assert failure.kind == kind
    assert says in failure.message


def test_an_overrun_is_ended_with_all_it_has_started(tmp_path: Path, bench: Bench) -> None:
    engine, one = bench.build(), job(tmp_path, "one", FAMILY, limit_s=2)
    engine.submit([one])
    end = ended(engine, 1)["one"]
    assert end.timed_out
    assert not end.cancelled
    until(lambda: gone(pids(one)), "worker and grandchild are gone")
    failure = collect(end).failure
    assert failure is not None
    assert failure.kind == "timed_out"


def test_cancel_ends_queued_and_running_jobs(tmp_path: Path, bench: Bench) -> None:
    engine = bench.build(slots_at_once=1)
    running, queued = job(tmp_path, "running", FAMILY), job(tmp_path, "queued", "succeed()")
    engine.submit([running, queued])
    began(engine, running)
    engine.cancel("queued")
    assert ended(engine, 1)["queued"].cancelled
    engine.cancel("running")
    engine.cancel("unheard of")
    end = ended(engine, 1)["running"]
    assert (end.cancelled, end.timed_out) == (True, False)
    until(lambda: gone(pids(running)), "worker and grandchild are gone")
    assert runs(queued) == 0
    assert engine.poll() == ([], [])


def test_never_more_jobs_at_once_than_the_campaign_says(tmp_path: Path, bench: Bench) -> None:
    engine = bench.build(slots_at_once=1)
    one, two = job(tmp_path, "one", WAITS), job(tmp_path, "two", WAITS)
    engine.submit([one, two])
    began(engine, one)
    for _ in range(5):
        assert engine.poll()[1] == []
    assert runs(two) == 0
    (one.folder / "go").touch()
    assert set(ended(engine, 1)) == {"one"}
    (two.folder / "go").touch()
    assert set(ended(engine, 1)) == {"two"}


def test_jobs_outlive_a_killed_driver_and_run_once(tmp_path: Path, bench: Bench) -> None:
    alive, over = job(tmp_path, "alive", WAITS), job(tmp_path, "over", WAITS)
    killed_driver(bench.config, bench.worker, [alive, over])
    (over.folder / "go").touch()
    until(lambda: gone(pids(over)), "one worker ends unseen")
    engine = bench.build()
    adopted = engine.reattach([alive, over, job(tmp_path, "never", "pass")])
    assert alive in adopted
    (alive.folder / "go").touch()
    ends = ended(engine, len(adopted))
    assert [collect(ends[one.run_id]).status for one in adopted] == ["done"] * len(adopted)
    assert SlotPaths(over.folder).result.exists()
    assert (runs(alive), runs(over), runs(job(tmp_path, "other", ""))) == (1, 1, 0)
    assert engine.poll() == ([], [])


def test_a_job_that_vanished_is_lost_and_never_done(tmp_path: Path, bench: Bench) -> None:
    one = job(tmp_path, "one", 'publish("pids", f"{os.getpid()} {stubborn_child()} {os.getppid()}"); time.sleep(200)')
    killed_driver(bench.config, bench.worker, [one])
    engine = bench.build()
    assert engine.reattach([one]) == [one]
    worker, child, parent = pids(one)
    # Of a scheduler's job, the script is the grandparent of the worker: without it no exit file is written.
    target = worker if bench.config.kind == "local" else parent_of(parent)
    os.kill(target, signal.SIGKILL)
    end = ended(engine, 1)["one"]
    failure = collect(end).failure
    assert end.exit_code is None
    assert failure is not None
    assert failure.kind == "lost"
    until(lambda: gone([worker, child]), "nothing is left of it")


def test_close_leaves_no_process_and_a_later_driver_starts_afresh(tmp_path: Path, bench: Bench) -> None:
    engine, one = bench.build(), job(tmp_path, "one", FAMILY)
    engine.submit([one])
    began(engine, one)
    engine.close()
    until(lambda: gone(pids(one)), "no process is left")
    assert engine.poll() == ([], [])
    assert bench.build().reattach([one]) == []


def parent_of(pid: int) -> int:
    """The parent of a process of this machine."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
