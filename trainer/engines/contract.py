"""What every engine promises: jobs go in, each ends exactly once, and only a validated result file counts as done."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from state.files import canonical_json, write_atomic
from state.metrics import METRICS
from state.paths import SlotPaths
from state.records import Failure, FailureKind, SlotResult

STDERR_TAIL = 2000
# A disk with less than this cannot take a result.
FULL_BYTES = 64 * 1024
# Exit code of a worker whose device failed under several slots, none of which is known to be at fault.
STACK_BROKE = 4


@dataclass(frozen=True)
class Job:
    """One slot to run: its folder holds config.yaml and job.json.

    ``dataset``: the `dataset` that the slot's config must have; '' where any will do. ``threads``: on the CPU; 0 = as
    the engine has it. ``alone``: in a process of its own.
    """

    run_id: str
    config_hash: str
    folder: Path
    time_limit_s: float
    dataset: str = ""
    threads: int = 0
    alone: bool = False

    def write(self, config_yaml: str) -> None:
        """Lay down what the worker reads."""
        paths = SlotPaths(self.folder)
        write_atomic(paths.config, config_yaml)
        job: dict[str, str | float] = {
            "run_id": self.run_id,
            "config_hash": self.config_hash,
            "time_limit_s": self.time_limit_s,
        }
        if self.dataset:
            job["dataset"] = self.dataset
        if self.threads:
            job["threads"] = self.threads
        write_atomic(paths.job, canonical_json(job) + "\n")


@dataclass(frozen=True)
class Ended:
    """A job that is over. ``exit_code`` is negative for a signal, None when nobody saw it end; ``word`` may say why."""

    job: Job
    exit_code: int | None
    timed_out: bool = False
    cancelled: bool = False
    word: str = ""


class Dispatcher(Protocol):
    """An engine. Jobs are known by run id; a job reported as ended is forgotten."""

    def submit(self, jobs: list[Job]) -> list[Job]:
        """Queue ``jobs``; returns those that began at once."""

    def poll(self) -> tuple[list[Job], list[Ended]]:
        """Jobs that began and jobs that ended since the last call; never blocks."""

    def cancel(self, run_id: str) -> None:
        """End a job: it is reported by a later `poll` as cancelled."""

    def reattach(self, jobs: list[Job]) -> list[Job]:
        """Those of ``jobs``, begun by an earlier driver, that still run; they are watched from now on.

        So is a job that ended by itself and of which no driver has heard yet, and one that cannot be asked after now.
        """

    def close(self) -> None:
        """End every job and wait until none is left."""


def collect(ended: Ended) -> SlotResult:
    """The result of an ended job: what the worker wrote if it is valid and its own, else a typed failure."""
    paths = SlotPaths(ended.job.folder)
    if ended.cancelled:
        return _failed(ended, "killed", "ended on request")
    if ended.timed_out:
        return _failed(ended, "timed_out", f"ran longer than its limit of {ended.job.time_limit_s / 60:.1f} min")
    try:
        result = SlotResult.model_validate(json.loads(paths.result.read_bytes()))
    except FileNotFoundError:
        return _without_result(ended, paths)
    except (OSError, ValueError, RecursionError) as error:
        return _failed(ended, "no_result", f"result.json is not readable as a result ({type(error).__name__})")
    if (result.run_id, result.config_hash) != (ended.job.run_id, ended.job.config_hash):
        return _failed(ended, "rejected", "result.json belongs to another run or config")
    if result.status == "done" and set(result.metrics) != set(METRICS):
        return _failed(ended, "rejected", "result.json does not hold the expected metrics")
    if (result.status == "failed") != (result.failure is not None):
        return _failed(ended, "rejected", f"result.json has status {result.status} and failure {result.failure}")
    return result


def _without_result(ended: Ended, paths: SlotPaths) -> SlotResult:
    tail = stderr_tail(paths.stderr)
    last = tail.strip().splitlines()[-1] if tail.strip() else "nothing on stderr"
    if ended.exit_code is None:
        word = f" ({' '.join(ended.word.split())[:300]})" if ended.word else ""
        if "OUT_OF_MEMORY" in ended.word:
            return _failed(ended, "out_of_memory", f"ended by the scheduler{word}")
        return _failed(ended, "lost", f"the process vanished without a result{word}")
    if ended.exit_code in (-9, 137):
        return _failed(ended, "killed", "ended by SIGKILL, often the kernel's out-of-memory killer")
    if ended.exit_code < 0:
        return _failed(ended, "killed", f"ended by signal {-ended.exit_code}")
    if last.startswith("OSError: [Errno 28]") or _is_full(paths.root):
        return _failed(ended, "disk_full", f"exit code {ended.exit_code}: no space is left where the slot writes")
    if ended.exit_code == 0:
        return _failed(ended, "no_result", "exit code 0 but no result.json")
    return _failed(ended, "crashed", f"exit code {ended.exit_code}: {last[:300]}")


def _is_full(folder: Path) -> bool:
    """Whether the worker could not even have said that its disk is full."""
    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:
        return False


def _failed(ended: Ended, kind: FailureKind, message: str) -> SlotResult:
    return SlotResult(
        run_id=ended.job.run_id,
        config_hash=ended.job.config_hash,
        status="failed",
        failure=Failure(kind=kind, message=message),
    )


def stderr_tail(path: Path, size: int = STDERR_TAIL) -> str:
    """The last ``size`` bytes of a log as text, or nothing when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - size))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
