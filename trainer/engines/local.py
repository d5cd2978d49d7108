"""Slots as subprocesses of this machine: one process group each, pinned to a GPU or a share of the cores."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from state.paths import SlotPaths
from trainer.engines.contract import Ended, Job

KILL_AFTER_S = 10.0
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
WORKER = (sys.executable, "-m", "trainer.slot")


def process_start(pid: int) -> str | None:
    """When the process began, in ticks since boot (with its pid, this identifies it); None when it is not alive."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def age(start: str) -> float:
    """Seconds since a process began, from what `process_start` says of it."""
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return max(0.0, uptime - int(start) / os.sysconf("SC_CLK_TCK"))


@dataclass
class _Running:
    job: Job
    place: int
    pid: int
    start: str
    deadline: float
    process: subprocess.Popen[bytes] | None = None
    term_at: float | None = None
    timed_out: bool = False
    cancelled: bool = False

    def ended(self) -> tuple[bool, int | None]:
        """Whether it is over, and its exit code if we are its parent."""
        if self.process is not None:
            code = self.process.poll()
            return code is not None, code
        return process_start(self.pid) != self.start, None


@dataclass
class LocalEngine:
    """Runs at most ``places`` jobs at once; ``gpus`` lists CUDA devices to pin to in turn, empty = CPU.

    ``cores`` are shared out among the places, none to two; where there are too few for that or for its
    ``threads``, nobody is held to any.
    """

    places: int
    threads: int
    gpus: Sequence[str] = ()
    cores: Sequence[int] = ()
    worker: Sequence[str] = WORKER
    _queue: deque[Job] = field(default_factory=deque)
    _running: dict[str, _Running] = field(default_factory=dict)
    _cancelled: list[Ended] = field(default_factory=list)

    def submit(self, jobs: list[Job]) -> list[Job]:
        """Queue ``jobs`` and start as many as there are free places."""
        self._queue.extend(jobs)
        return self._fill()

    def poll(self) -> tuple[list[Job], list[Ended]]:
        """Reap, enforce time limits, and start queued jobs on the places that became free."""
        over, self._cancelled = self._cancelled, []
        for run in list(self._running.values()):
            done, code = run.ended()
            if done:
                self._sweep(run)
                del self._running[run.job.run_id]
                over.append(Ended(run.job, code, run.timed_out, run.cancelled))
            elif run.cancelled or time.monotonic() > run.deadline:
                run.timed_out = not run.cancelled
                self._terminate(run)
        return self._fill(), over

    def cancel(self, run_id: str) -> None:
        """End a queued or running job."""
        for job in [job for job in self._queue if job.run_id == run_id]:
            self._queue.remove(job)
            self._cancelled.append(Ended(job, None, cancelled=True))
        if run_id in self._running:
            self._running[run_id].cancelled = True
            self._terminate(self._running[run_id])

    def reattach(self, jobs: list[Job]) -> list[Job]:
        """Adopt the processes of an earlier driver that still work in the very same folders."""
        workers, adopted = find_workers(self.worker[-1]), []
        for job in jobs:
            pid = workers.get(str(job.folder))
            start = process_start(pid) if pid is not None else None
            if pid is not None and start is not None:
                deadline = time.monotonic() + job.time_limit_s - age(start)
                self._running[job.run_id] = _Running(job, self._place_of(pid), pid, start, deadline)
                adopted.append(job)
        return adopted

    def close(self) -> None:
        """TERM every job, KILL what is left after a while."""
        self._queue.clear()
        for run_id in list(self._running):
            self.cancel(run_id)
        while self._running:
            self.poll()
            time.sleep(0.02)

    def _fill(self) -> list[Job]:
        started = []
        while self._queue and len(self._running) < self.places:
            job = self._queue.popleft()
            self._start(job)
            started.append(job)
        return started

    def _start(self, job: Job) -> None:
        paths, place = SlotPaths(job.folder), self._free_place()
        paths.result.unlink(missing_ok=True)
        with paths.stderr.open("wb") as log:
            process = subprocess.Popen(
                [*self.worker, str(job.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(job, place),
                start_new_session=True,
            )
        if cores := self._cores(place):
            # Before it has begun any thread; one that ends at once is none to hold.
            with contextlib.suppress(OSError):
                os.sched_setaffinity(process.pid, cores)
        deadline = time.monotonic() + job.time_limit_s
        self._running[job.run_id] = _Running(job, place, process.pid, "", deadline, process)

    def _free_place(self) -> int:
        """The free place whose GPU has the fewest slots; beyond ``places``, for adopted processes, the next number."""
        taken = {run.place for run in self._running.values()}
        busy = Counter(self._device(n) for n in taken)
        free = [n for n in range(max(self.places, len(taken) + 1)) if n not in taken]
        return min(free, key=lambda n: (n >= self.places, busy[self._device(n)], n))

    def _place_of(self, pid: int) -> int:
        """The place of an adopted process: the free one with its GPU, so that no other job is pinned there."""
        taken, device = {run.place for run in self._running.values()}, device_of(pid)
        free = [n for n in range(self.places) if n not in taken and self._device(n) == device]
        with contextlib.suppress(OSError):
            held = os.sched_getaffinity(pid)
            free.sort(key=lambda n: self._cores(n) != held)
        return next(iter(free), self._free_place())

    def _device(self, place: int) -> str:
        return self.gpus[place % len(self.gpus)] if self.gpus else ""

    def _cores(self, place: int) -> set[int]:
        """The cores of a place alone; empty = wherever there is room."""
        share = len(self.cores) // self.places
        if self.threads > share:
            return set()
        return set(self.cores[place * share : (place + 1) * share])

    def _environment(self, job: Job, place: int) -> dict[str, str]:
        threads = str(job.threads or self.threads)
        own = dict.fromkeys(THREAD_VARIABLES, threads)
        own["CUDA_VISIBLE_DEVICES"] = self._device(place)
        # The worker imports the driver's own packages, wherever the driver was started.
        root = str(Path(__file__).resolve().parents[2])
        own["PYTHONPATH"] = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
        return os.environ | own

    def _terminate(self, run: _Running) -> None:
        now = time.monotonic()
        if run.term_at is None:
            run.term_at = now
            _signal_group(run.pid, signal.SIGTERM)
        elif now - run.term_at > KILL_AFTER_S:
            _signal_group(run.pid, signal.SIGKILL)

    def _sweep(self, run: _Running) -> None:
        """Kill what is left of a worker's process group."""
        _signal_group(run.pid, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def device_of(pid: int) -> str | None:
    """The CUDA device that a process was pinned to; None when that cannot be read."""
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    return dict(word.partition("=")[::2] for word in words).get("CUDA_VISIBLE_DEVICES")


def find_workers(worker: str) -> dict[str, int]:
    """Folder -> pid of every process that runs ``worker`` (the last word of its command).

    Read from the process table, so that even a worker whose driver died before it could note anything is found.
    """
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                # A forked child has the worker's command line; only the leader of the group is the worker.
                if worker in words[:-2] and os.getpgid(int(entry.name)) == int(entry.name):
                    found[words[-2]] = int(entry.name)
    return found
