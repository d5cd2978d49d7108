"""Slots as jobs of a scheduler. What the exit file says decides, the scheduler only explains.

All questions go through one background thread, so `poll` never waits for a slow or silent scheduler.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from state.errors import UserError
from state.paths import SlotPaths
from trainer.engines.contract import Ended, Job
from trainer.engines.exchange import Exchange, exchange
from trainer.engines.local import WORKER
from trainer.engines.scheduler import Scheduler, Seen
from trainer.engines.watched import Watched, find, lay_down

LOG = logging.getLogger(__name__)
LOOK_S = 0.5
CLOSE_S = 120.0


@dataclass
class QueuedEngine:
    """Keeps the engines' contract; at most ``places`` jobs are at the scheduler at once, None = all."""

    scheduler: Scheduler
    poll_interval_s: float
    lost_after_s: float
    places: int | None = None
    threads: int | None = None
    worker: Sequence[str] = WORKER
    _jobs: dict[str, Watched] = field(default_factory=dict)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "scheduler"))
    _round: Future[Exchange] | None = None
    _asked_at: float = -1e9
    _looked_at: float = -1e9
    _urgent: bool = False
    _trouble: str = ""

    def submit(self, jobs: list[Job]) -> list[Job]:
        """Lay down the script of each job; the scheduler gets it with the next exchange."""
        for job in jobs:
            self._jobs[job.run_id] = lay_down(job, self.worker, self.threads)
        self._urgent = True
        self._ask_if_due()
        return []

    def poll(self) -> tuple[list[Job], list[Ended]]:
        """What the last exchange brought, ends found in the folders; starts the next exchange when it is time."""
        began = self._take_in()
        ended = self._ends()
        self._ask_if_due()
        return began, ended

    def cancel(self, run_id: str) -> None:
        """End a queued or running job."""
        if run_id in self._jobs:
            self._jobs[run_id].cancelled = self._urgent = True
            self._looked_at = -1e9

    def reattach(self, jobs: list[Job]) -> list[Job]:
        """Find jobs of an earlier driver by name; where the scheduler does not answer they are unknown, not lost."""
        named = [one for job in jobs if (one := find(job)) is not None]
        open_, adopted = [one for one in named if one.exit is None], [one for one in named if one.ended_itself()]
        if open_:
            seen = self._list()
            adopted += [one for one in open_ if seen is None or self._still_there(one, seen)]
        for one in adopted:
            self._jobs[one.job.run_id] = one
        return [one.job for one in adopted]

    def close(self) -> None:
        """Cancel everything and wait until the scheduler has let go; says which jobs it could not end."""
        for run_id in self._jobs:
            self.cancel(run_id)
        self.poll_interval_s, end = min(1.0, self.poll_interval_s), time.monotonic() + CLOSE_S
        try:
            while self._jobs and time.monotonic() < end:
                for ended in self.poll()[1]:
                    # Without its name file a later driver does not look for this job, and starts the slot anew.
                    SlotPaths(ended.job.folder).attempt(ended.job.run_id).name.unlink(missing_ok=True)
                time.sleep(0.02 if self._jobs else 0)
        except UserError as error:
            LOG.warning("%s", error)
        if self._jobs:
            names = " ".join(one.name for one in self._jobs.values())
            LOG.warning("%s: could not see these jobs end; cancel them by name: %s", self.scheduler.label, names)
        self._thread.shutdown(wait=not self._jobs, cancel_futures=True)

    def _ask_if_due(self) -> None:
        now = time.monotonic()
        if self._round is not None or not self._jobs:
            return
        # New jobs are submitted at once, unless the scheduler did not answer last time.
        if now - self._asked_at < self.poll_interval_s and (self._trouble or not self._urgent):
            return
        self._asked_at, self._urgent = now, False
        submit = self._next()
        look = any(one.asked for one in submit)
        for one in submit:
            one.asked = True
        gone = [one.name for one in self._jobs.values() if one.given_up or (one.cancelled and one.asked)]
        asked = Exchange([one.ticket() for one in submit], look, gone)
        self._round = self._thread.submit(exchange, self.scheduler, asked)

    def _next(self) -> list[Watched]:
        """Jobs to submit now; those whose submission went unanswered come first: the scheduler may have them."""
        there = sum(one.handed for one in self._jobs.values())
        ready = [one for one in self._jobs.values() if not one.handed and not one.cancelled]
        ready.sort(key=lambda one: not one.asked)
        return ready if self.places is None else ready[: max(0, self.places - there)]

    def _take_in(self) -> list[Job]:
        if self._round is None or not self._round.done():
            return []
        done, self._round, self._looked_at = self._round, None, -1e9
        one = done.result()
        self._tell(one.trouble)
        submitted = {ticket.name for ticket in one.submit}
        for watched in self._jobs.values():
            watched.let_go |= watched.name in one.cancel and one.seen is not None
            if watched.name in submitted:
                watched.handed = watched.name in one.handed
                watched.asked = watched.handed or watched.name in one.asked or one.look_first
        return [] if one.seen is None else self._compare(one.seen)

    def _compare(self, seen: dict[str, Seen]) -> list[Job]:
        """Note what the scheduler says of each job that it was given; returns those that began."""
        began = []
        for one in self._jobs.values():
            found = seen.get(one.name, Seen("over", "the scheduler does not know it"))
            if found.state != "over":
                one.handed, one.absent_since, one.absences = True, None, 0
                one.given_up = one.let_go = False
                if found.state == "running" and not one.running:
                    one.running = True
                    began.append(one.job)
            elif found.never_began and not one.cancelled and one.queue_again():
                self._urgent = True
                LOG.warning("%s gave up on %s in its queue; it is queued again", self.scheduler.label, one.job.run_id)
            elif one.handed or (one.asked and one.cancelled):
                one.absent_since = one.absent_since or time.monotonic()
                one.absences, one.word = one.absences + 1, f"{self.scheduler.label}: {found.word}"
        return began

    def _ends(self) -> list[Ended]:
        now = time.monotonic()
        if now - self._looked_at < LOOK_S:
            return []
        self._looked_at = now
        ended = [end for one in list(self._jobs.values()) if (end := self._end_of(one, now)) is not None]
        for end in ended:
            del self._jobs[end.job.run_id]
            self._urgent = True
        return ended

    def _end_of(self, one: Watched, now: float) -> Ended | None:
        found = one.exit if one.asked else None
        if found is not None:
            return Ended(one.job, found.code, found.timed_out and not one.cancelled, one.cancelled)
        if one.cancelled and (not one.asked or one.absences):
            one.never_start()
            return Ended(one.job, None, cancelled=True)
        if one.let_go or self._is_lost(one, now):
            one.never_start()
            return Ended(one.job, None, timed_out=one.word.endswith(": TIMEOUT"), word=one.word)
        return None

    def _is_lost(self, one: Watched, now: float) -> bool:
        """Whether a job that the scheduler no longer runs is gone; one that did start is cancelled before it counts so.

        A scheduler that answers and lists nothing may be at fault itself, so a job whose files move is alive.
        """
        if one.moves():
            one.absent_since = None if one.absent_since is None else now
        if one.absences < 2 or one.absent_since is None or now - one.absent_since < self.lost_after_s:
            return False
        if one.paths.claim.exists() and not one.given_up:
            one.given_up = self._urgent = True
        return not one.given_up

    def _list(self) -> dict[str, Seen] | None:
        one = self._thread.submit(exchange, self.scheduler, Exchange()).result()
        self._tell(one.trouble)
        return one.seen

    def _still_there(self, one: Watched, first: dict[str, Seen]) -> bool:
        """Whether a job without an exit file lives, or has just ended; if not, it is kept from ever starting."""
        if _lives(one, first):
            return True
        if one.never_start():
            return False
        # The job did start: perhaps just now, or a network file system does not show its exit file yet.
        end = time.monotonic() + self.lost_after_s
        while True:
            seen = self._list()
            if seen is None or _lives(one, seen):
                return True
            if one.exit is not None or time.monotonic() > end:
                return one.ended_itself()
            time.sleep(min(self.poll_interval_s, 1.0))

    def _tell(self, trouble: str) -> None:
        """One line when the scheduler falls silent, one when it answers again."""
        if trouble and not self._trouble:
            LOG.warning("%s does not answer (%s); its jobs are unknown until it does", self.scheduler.label, trouble)
        elif self._trouble and not trouble:
            LOG.warning("%s answers again", self.scheduler.label)
        self._trouble = trouble


def _lives(one: Watched, seen: dict[str, Seen]) -> bool:
    return one.name in seen and seen[one.name].state != "over"
