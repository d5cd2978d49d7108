"""Ctrl-C and TERM: taken where the program waits, held back while it writes, so that no record is ever half done."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Handles both signals while entered. The first is kept for the next wait; a second one is taken at once."""

    def __init__(self) -> None:
        self._waiting = False
        self._asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, self._arrive) for number in SIGNALS}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _arrive(self, number: int, frame: FrameType | None) -> None:
        if self._waiting or self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def check(self) -> None:
        """KeyboardInterrupt if a signal has come since the last wait."""
        if self._asked:
            self._asked = False
            raise KeyboardInterrupt

    @contextmanager
    def welcome(self) -> Iterator[None]:
        """Where a signal may interrupt: inside this context it ends a wait at once."""
        try:
            self._waiting = True
            self.check()
            yield
        finally:
            self._waiting = False
