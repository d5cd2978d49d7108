"""One attempt that a scheduler has or may have: its name, its files, how it ended."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from state.files import write_atomic
from state.paths import AttemptPaths, SlotPaths
from trainer.engines.contract import Job
from trainer.engines.scheduler import Ticket
from trainer.engines.script import Exit, job_script, read_exit


@dataclass
class Watched:
    """A job from submit to its end. ``handed``: the scheduler has it; ``asked``: it may have it.

    ``given_up``: it counts as lost and is to be cancelled, so that it cannot go on beside its successor; ``let_go``:
    the scheduler has answered to that. ``stamp``: what its files of progress looked like at the last look.
    """

    job: Job
    name: str
    handed: bool = False
    asked: bool = False
    running: bool = False
    cancelled: bool = False
    absent_since: float | None = None
    absences: int = 0
    word: str = ""
    given_up: bool = False
    let_go: bool = False
    stamp: tuple[tuple[int, int], ...] = ()

    @property
    def paths(self) -> AttemptPaths:
        """Its files."""
        return SlotPaths(self.job.folder).attempt(self.job.run_id)

    @property
    def exit(self) -> Exit | None:
        """How it ended, from its exit file; None while there is none."""
        return read_exit(self.paths, self.job.time_limit_s)

    def moves(self) -> bool:
        """Whether the worker has written anything since the last look: then it lives, whatever the scheduler says."""
        folder = SlotPaths(self.job.folder)
        found = tuple(_stamp(path) for path in (folder.progress, folder.metrics_log, folder.stderr, folder.checkpoint))
        before, self.stamp = self.stamp, found
        return bool(before) and found != before

    def ended_itself(self) -> bool:
        """Whether it came to an end of its own or to its limit; one that was killed from outside did not."""
        found = self.exit
        return found is not None and (found.code >= 0 or found.timed_out)

    def ticket(self) -> Ticket:
        """What the scheduler gets."""
        return Ticket(self.name, self.paths.script, self.paths.scheduler_log, self.job.time_limit_s)

    def queue_again(self) -> bool:
        """Take a new name, to be handed over anew; False when a copy did begin."""
        if self.paths.claim.exists():
            return False
        self.name, self.handed, self.asked = _new_name(self.job), False, False
        self.absent_since, self.absences = None, 0
        write_atomic(self.paths.name, self.name + "\n")
        return True

    def never_start(self) -> bool:
        """Take the claim, so that a copy that a slow scheduler starts later does nothing; False when it did start."""
        with contextlib.suppress(FileExistsError):
            self.paths.claim.mkdir(parents=True)
            return True
        return False


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def lay_down(job: Job, worker: Sequence[str], threads: int | None) -> Watched:
    """A new attempt with a name that was never used, its script written."""
    one = Watched(job, _new_name(job))
    for old in (SlotPaths(job.folder).result, SlotPaths(job.folder).leave):
        old.unlink(missing_ok=True)
    one.paths.exit.unlink(missing_ok=True)
    write_atomic(one.paths.script, job_script(job, one.paths, worker, threads))
    write_atomic(one.paths.name, one.name + "\n")
    return one


def _new_name(job: Job) -> str:
    return f"nightfly-{job.run_id}-{secrets.token_hex(4)}"


def find(job: Job) -> Watched | None:
    """The attempt that an earlier driver laid down; None when there is none or it was taken back."""
    try:
        name = SlotPaths(job.folder).attempt(job.run_id).name.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return Watched(job, name, handed=True, asked=True)
