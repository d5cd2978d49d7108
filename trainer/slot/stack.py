"""The slots that one process trains: a block of iterations of each, then the next. A slot alone is a stack of one.

Each has its own attempt, files and end; they share the process and its device. What one does wrong ends that one alone,
what befalls the device ends all, without a word against any config: each is then run again in a process of its own.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from state.paths import SlotPaths
from state.records import SlotResult
from trainer.fit.schedule import BLOCK
from trainer.fit.turns import Turns
from trainer.slot import runtime
from trainer.slot.attempt import Attempt, Training
from trainer.slot.outcome import failed, failed_by, finish
from trainer.slot.termination import Termination


class Member:
    """One slot of a stack. ``make`` reads its config; whatever goes wrong with the slot ends in ``result``.

    Of ``shared`` members each speaks into a log of its own, and what befalls the device is raised.
    """

    def __init__(self, paths: SlotPaths, run_id: str, config_hash: str, make: Callable[[], Attempt]) -> None:
        self.paths, self.run_id, self.config_hash = paths, run_id, config_hash
        self.shared = False
        self.result: SlotResult | None = None
        self._make, self._made = make, time.perf_counter()
        self._attempt: Attempt | None = None
        self._turns = self._guarded()

    @property
    def training(self) -> Training | None:
        """Its training, while there is one."""
        return self._attempt.training if self._attempt is not None else None

    @property
    def trains(self) -> bool:
        """Whether iterations are left."""
        return self.training is not None and not self.training.over

    def advance(self) -> None:
        """The next turn, or its end where that was asked for."""
        if self.paths.leave.exists():
            self.leave("ended on request")
            return
        with self._speaking():
            try:
                next(self._turns)
            except StopIteration as end:
                self._end(end.value)

    def save(self) -> None:
        """Leave a checkpoint, between two blocks."""
        if self.training is not None:
            with self._speaking():
                self.training.save()

    def leave(self, why: str) -> None:
        """End without metrics, and through no fault of the config."""
        with self._speaking():
            self._turns.close()
            self._end(failed(self.run_id, self.config_hash, "killed", why))

    def _end(self, result: SlotResult) -> None:
        self.result = finish(self.paths, result)
        # Its network and recording make room.
        self._attempt = None

    def _guarded(self) -> Turns[SlotResult]:
        try:
            self._attempt = self._make()
            self._attempt.waited_s = time.perf_counter() - self._made
            return (yield from self._attempt.turns(self.run_id, self.config_hash))
        except Exception as error:
            # The worker's boundary: whatever happened must reach result.json.
            if self.shared and runtime.is_of_the_device(error):
                raise
            return failed_by(error, self.run_id, self.config_hash)

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        if not self.shared:
            yield
            return
        with (
            self.paths.stderr.open("a", encoding="utf-8") as log,
            contextlib.redirect_stderr(log),
            contextlib.redirect_stdout(log),
        ):
            yield


class Stack:
    """Runs its ``members`` to their ends; ``broke`` says that the device ended those that were still at work."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members, self.broke = members, False
        self._termination = Termination()
        for member in members:
            member.shared = len(members) > 1

    def run(self) -> None:
        """Make all ready, train them, a block of each in turn, and let each end as soon as it is trained."""
        try:
            self._advance_all()
            with self._termination.watched():
                while any(member.trains for member in self._living()):
                    self._round()
            self._advance_all()
        except Exception as error:
            if len(self.members) == 1:
                raise
            self.broke = True
            told = f"{type(error).__name__}: {error}"
            for member in self._living():
                member.leave(f"the {len(self.members)} slots of one process were ended together ({told})")

    def _living(self) -> list[Member]:
        return [member for member in self.members if member.result is None]

    def _advance_all(self) -> None:
        for member in self._living():
            member.advance()

    def _round(self) -> None:
        """A block of each: all are begun before the first is waited for, since a GPU works on several at a time."""
        began = time.perf_counter()
        self._advance_all()
        self._advance_all()
        living = self._living()
        training = [member.training for member in living if member.training is not None]
        if self._termination.wanted:
            self._save(living)
            self._termination.end()
        if any(one.over for one in training) and len(living) > 1:
            # The others stand still while one is evaluated; nothing is lost if that is cut short.
            self._save(living)
            self._termination.expect(math.inf)
        else:
            per_iteration = (time.perf_counter() - began) / max(1, sum(one.block for one in training))
            self._termination.expect(per_iteration * BLOCK * len(training))

    def _save(self, members: Sequence[Member]) -> None:
        for member in members:
            member.save()
