"""What nightfly needs of a tracker: which iterations it has, and a way to tell it one more."""

from __future__ import annotations

from typing import Protocol

from agent.trackers.facts import TrackedRun
from state.errors import NightflyError


class TrackerError(NightflyError):
    """A tracker that cannot be had or does not take what it is told; never a reason to end a night."""


class Tracker(Protocol):
    """A tracker, opened. Each method raises TrackerError."""

    def known(self, run: str) -> set[str]:
        """Keys of the iterations of ``run`` that it holds whole, those held in part are deleted and told again."""

    def tell(self, run: TrackedRun) -> None:
        """Hand over one iteration, whole."""
