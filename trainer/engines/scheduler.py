"""What the queued engine needs of a scheduler: hand over, list, cancel, all by job name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from state.errors import NightflyError

JobState = Literal["waiting", "running", "over"]


class Unreachable(NightflyError):
    """The scheduler did not answer: what was asked may or may not have happened."""


@dataclass(frozen=True)
class Ticket:
    """One job as it is handed over; ``name`` is never used twice."""

    name: str
    script: Path
    log: Path
    time_limit_s: float


@dataclass(frozen=True)
class Seen:
    """What the scheduler says of a job; ``word`` explains an end.

    ``never_began``: the scheduler gave up on it in its queue, where others are simply left waiting.
    """

    state: JobState
    word: str = ""
    never_began: bool = False


class Scheduler(Protocol):
    """Each method asks once, within a bounded time. UserError for what asking again cannot mend."""

    @property
    def label(self) -> str:
        """Its name in messages."""

    def probe(self, time_limit_s: float) -> str:
        """Ask whether a slot's job would be taken, without handing one over; what answered, in words."""

    def submit(self, ticket: Ticket) -> None:
        """Hand the job over; Unreachable when it is not known whether that happened."""

    def jobs(self) -> dict[str, Seen]:
        """Every job of this user that the scheduler knows, by name, in one question; Unreachable without an answer."""

    def cancel(self, names: list[str]) -> None:
        """End these jobs, if they are there; Unreachable without an answer."""
