"""The local engine with real subprocesses: each job's folder holds the few lines of Python that its worker runs."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from state.engine import EngineConfig
from state.metrics import METRICS
from state.paths import SlotPaths
from tests.trainer.engines.workers import (
    ROOT,
    STUBBORN_FAMILY,
    WAITS,
    ended,
    gone,
    job,
    killed_driver,
    pids,
    read_json,
    until,
)
from trainer.engines import local
from trainer.engines.contract import Ended, Job, collect
from trainer.engines.local import LocalEngine
from trainer.engines.processes import process_start, signal_group


@pytest.fixture
def make(worker: tuple[str, str]) -> Iterator[Callable[..., LocalEngine]]:
    """Builds engines and ends what a failing test left running."""
    engines: list[LocalEngine] = []

    def build(**fields: Any) -> LocalEngine:
        engines.append(LocalEngine(**{"places": 2, "threads": 1, "worker": worker} | fields))
        return engines[-1]

    yield build
    for engine in engines:
        for run in engine._running.values():
            signal_group(run.worker.pid, signal.SIGKILL)


def ended_step(engine: LocalEngine) -> tuple[list[Job], list[Ended]] | None:
    """One poll, if a job ended in it."""
    step = engine.poll()
    return step if step[1] else None


def touch(job: Job) -> None:
    (job.folder / "go").touch()


HELD = 'publish("held.json", json.dumps(sorted(os.sched_getaffinity(0)))); wait_for(folder / "go"); succeed()'


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core cannot be shared out")
def test_slots_side_by_side_share_no_core_and_a_later_driver_knows_whose_they_are(
    tmp_path: Path, make: Callable[..., LocalEngine]
) -> None:
    cores = sorted(os.sched_getaffinity(0))
    engine, jobs = make(cores=cores), [job(tmp_path, name, f"time.sleep(0.3); {HELD}") for name in ("a", "b")]
    engine.submit(jobs)
    files = [one.folder / "held.json" for one in jobs]
    until(lambda: all(file.exists() for file in files), "both are held to cores")
    seen = [set(read_json(file)) for file in files]
    assert not seen[0] & seen[1]
    assert {len(held) for held in seen} == {len(cores) // 2}
    later = make(cores=cores)
    assert later.reattach([jobs[1]]) == [jobs[1]]
    assert later._cores(later._running["b"].worker.place) == seen[1]
    for one in jobs:
        touch(one)
    ended(engine, 2)


def test_more_places_than_cores_hold_nobody_to_any(tmp_path: Path, make: Callable[..., LocalEngine]) -> None:
    cores = sorted(os.sched_getaffinity(0))
    engine, one = make(cores=cores, places=len(cores) + 1), job(tmp_path, "one", HELD)
    touch(one)
    engine.submit([one])
    ended(engine, 1)
    assert read_json(one.folder / "held.json") == cores


def test_a_job_may_ask_for_threads_of_its_own(tmp_path: Path, make: Callable[..., LocalEngine]) -> None:
    told = 'publish("told.json", json.dumps(os.environ["OMP_NUM_THREADS"])); succeed()'
    engine, jobs = make(threads=3), [job(tmp_path, name, told) for name in ("engine", "own")]
    engine.submit([jobs[0], replace(jobs[1], threads=7)])
    ended(engine, 2)
    assert [read_json(one.folder / "told.json") for one in jobs] == ["3", "7"]


def test_a_job_that_succeeds_is_reported_once_with_its_result(tmp_path: Path, make: Callable[..., LocalEngine]) -> None:
    engine, one = make(), job(tmp_path, "one", "print('out'); print('err', file=sys.stderr); succeed()")
    assert engine.submit([one]) == [one]
    end = ended(engine, 1)["one"]
    assert end == Ended(one, 0)
    assert collect(end).metrics == dict.fromkeys(METRICS, 0.5)
    assert SlotPaths(one.folder).stderr.read_text().split() == ["out", "err"]
    assert engine.poll() == ([], [])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The engine's clock, moved by the test."""
    now = [1000.0]
    monkeypatch.setattr(local, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep))
    return now


def test_an_overrun_is_asked_to_end_and_the_whole_family_killed_after_a_while(
    tmp_path: Path, make: Callable[..., LocalEngine], clock: list[float]
) -> None:
    engine, one = make(), job(tmp_path, "one", STUBBORN_FAMILY)
    engine.submit([one])
    family = pids(one)
    clock[0] += 999
    assert engine.poll() == ([], [])
    clock[0] += 2
    for _ in range(3):
        assert engine.poll() == ([], [])
    assert not any(process_start(pid) is None for pid in family)
    clock[0] += local.KILL_AFTER_S + 1
    end = ended(engine, 1)["one"]
    assert end.timed_out
    assert not end.cancelled
    until(lambda: gone(family), "worker and grandchild are gone")
    failure = collect(end).failure
    assert failure is not None
    assert failure.kind == "timed_out"


def test_a_worker_that_ends_at_TERM_is_not_killed_but_its_children_are(
    tmp_path: Path, make: Callable[..., LocalEngine], clock: list[float]
) -> None:
    polite = """
    def leave(*_):
        publish("left", "in peace")
        os._exit(5)
    signal.signal(signal.SIGTERM, leave)
    publish("pids", f"{os.getpid()} {stubborn_child()}")
    time.sleep(100)
    """
    engine, one = make(), job(tmp_path, "one", polite)
    engine.submit([one])
    family = pids(one)
    clock[0] += 1001
    end = ended(engine, 1)["one"]
    assert (end.exit_code, end.timed_out) == (5, True)
    assert (one.folder / "left").read_text() == "in peace"
    until(lambda: gone(family), "the child is gone")


def test_never_more_jobs_at_once_than_places(tmp_path: Path, make: Callable[..., LocalEngine]) -> None:
    engine = make(places=2)
    jobs = [job(tmp_path, f"j{n}", 'publish("pids", str(os.getpid())); wait_for(folder / "go")') for n in range(5)]
    assert engine.submit(jobs) == jobs[:2]
    for now, later in ((0, 2), (1, 3), (2, 4)):
        pids(jobs[now])
        assert engine.poll() == ([], [])
        touch(jobs[now])
        began, over = until(lambda: ended_step(engine), "a job ends")
        assert began == [jobs[later]]
        assert [end.job for end in over] == [jobs[now]]
        assert not any((waiting.folder / "pids").exists() for waiting in jobs[later + 1 :])
    for last in jobs[3:]:
        touch(last)
    assert set(ended(engine, 2)) == {"j3", "j4"}


def test_cancel_ends_queued_and_running_jobs_even_stubborn_ones(
    tmp_path: Path, make: Callable[..., LocalEngine], clock: list[float]
) -> None:
    engine = make(places=1)
    running, queued = job(tmp_path, "running", STUBBORN_FAMILY), job(tmp_path, "queued", "succeed()")
    engine.submit([running, queued])
    family = pids(running)
    engine.cancel("queued")
    assert engine.poll() == ([], [Ended(queued, None, cancelled=True)])
    engine.cancel("running")
    engine.cancel("unheard of")
    assert engine.poll() == ([], [])
    clock[0] += local.KILL_AFTER_S + 1
    end = ended(engine, 1)["running"]
    assert end.cancelled
    assert not end.timed_out
    until(lambda: gone(family), "worker and grandchild are gone")
    assert not (queued.folder / "stderr.log").exists()


def test_close_leaves_no_process_and_starts_no_other(
    tmp_path: Path, make: Callable[..., LocalEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "KILL_AFTER_S", 0.1)
    engine = make(places=2)
    plain = 'publish("pids", str(os.getpid())); time.sleep(100)'
    jobs = [job(tmp_path, "a", STUBBORN_FAMILY), job(tmp_path, "b", plain), job(tmp_path, "c", plain)]
    engine.submit(jobs)
    family = pids(jobs[0]) + pids(jobs[1])
    engine.close()
    until(lambda: gone(family), "no process is left")
    assert not (jobs[2].folder / "stderr.log").exists()
    assert engine.poll() == ([], [])


@pytest.mark.parametrize(("gpus", "want"), [((), {""}), (("4", "7"), {"4", "7"})])
def test_threads_and_device_are_passed_on(
    tmp_path: Path, make: Callable[..., LocalEngine], gpus: tuple[str, ...], want: set[str]
) -> None:
    engine = make(places=2, threads=3, gpus=gpus)
    task = 'publish("seen", json.dumps(dict(os.environ))); publish("pids", "1"); wait_for(folder / "go")'
    jobs = [job(tmp_path, f"j{n}", task) for n in range(2)]
    engine.submit(jobs)
    for one in jobs:
        pids(one)
        touch(one)
    ended(engine, 2)
    seen = [json.loads((one.folder / "seen").read_text()) for one in jobs]
    assert {env["CUDA_VISIBLE_DEVICES"] for env in seen} == want
    for env in seen:
        assert [env[key] for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")] == ["3"] * 3
        assert str(ROOT) in env["PYTHONPATH"].split(os.pathsep)


def test_workers_of_a_killed_driver_are_adopted_and_their_results_seen(
    tmp_path: Path, worker: tuple[str, str], make: Callable[..., LocalEngine]
) -> None:
    alive, over = job(tmp_path, "alive", WAITS), job(tmp_path, "over", WAITS)
    killed_driver(EngineConfig(), worker, [alive, over])
    touch(over)
    until(lambda: gone(pids(over)), "one worker ends unseen")
    engine = make()
    assert engine.reattach([alive, over, job(tmp_path, "never", "pass")]) == [alive]
    assert engine.poll() == ([], [])
    touch(alive)
    end = ended(engine, 1)["alive"]
    assert end == Ended(alive, None)
    assert collect(end).status == "done"


def test_an_adopted_worker_counts_as_running_can_be_cancelled_and_can_be_lost(
    tmp_path: Path, worker: tuple[str, str], make: Callable[..., LocalEngine], clock: list[float]
) -> None:
    one, other = job(tmp_path, "one", STUBBORN_FAMILY), job(tmp_path, "other", WAITS)
    killed_driver(EngineConfig(), worker, [one, other])
    family, engine = pids(one), make(places=2)
    assert set(engine.reattach([one, other])) == {one, other}
    assert engine.submit([job(tmp_path, "third", "succeed()")]) == []
    os.kill(pids(other)[0], signal.SIGKILL)
    failure = collect(ended(engine, 1)["other"]).failure
    assert failure is not None
    assert failure.kind == "lost"
    engine.cancel("one")
    clock[0] += local.KILL_AFTER_S + 1
    assert ended(engine, 2)["one"].cancelled
    until(lambda: gone(family), "the adopted family is gone")


def test_no_job_is_pinned_to_the_gpu_of_an_adopted_worker(
    tmp_path: Path, worker: tuple[str, str], make: Callable[..., LocalEngine]
) -> None:
    on_4, on_7 = job(tmp_path, "on_4", WAITS), job(tmp_path, "on_7", WAITS)
    killed_driver(EngineConfig(), worker, [on_4, on_7], gpus="4 7")
    touch(on_4)
    until(lambda: gone(pids(on_4)), "GPU 4 is free")
    engine = make(places=2, gpus=("4", "7"))
    assert engine.reattach([on_4, on_7]) == [on_7]
    new = job(tmp_path, "new", 'publish("seen", os.environ["CUDA_VISIBLE_DEVICES"])')
    engine.submit([new])
    ended(engine, 1)
    assert (new.folder / "seen").read_text() == "4"
    touch(on_7)
    ended(engine, 1)
