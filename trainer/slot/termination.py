"""SIGTERM during training: end at the next safe point if that is near, else at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GRACE_S = 1.0


class Termination:
    """``wanted`` turns true when the process was told to end and a safe point is expected within GRACE_S."""

    def __init__(self) -> None:
        self.wanted = False
        self._safe_at: float | None = None

    def expect(self, seconds: float) -> None:
        """The next safe point is about ``seconds`` away."""
        self._safe_at = time.monotonic() + seconds

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Catch SIGTERM inside; outside, and in another thread than the main one, it does what it did before."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._caught)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def end(self) -> None:
        """End this process by SIGTERM, so that whoever watches sees what happened."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        near = self._safe_at is not None and self._safe_at - time.monotonic() <= GRACE_S
        if self.wanted or not near:
            self.end()
        self.wanted = True
