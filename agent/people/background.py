"""Work in the background of a driver, such as writing the report, in processes of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from state.journal import Record

# Making the page takes about a second per 9 MB of journal; it is begun so seldom that it takes a tenth of the time.
PAUSE_S = 15.0
PAUSE_S_PER_BYTE = 1e-6
LAST_S = 120.0


class BackgroundWork:
    """Starts ``python *arguments`` after batches: it neither delays the night nor can end it.

    ``what`` it does stands in the one sentence in which a failure is told. It reads ``journal``, so that its time, and
    the pause until it is done again, grow with it.
    """

    def __init__(self, arguments: Sequence[str], what: str, say: Callable[[str], None], journal: Path) -> None:
        self._arguments, self._what, self._say, self._journal = tuple(arguments), what, say, journal
        self._process: subprocess.Popen[bytes] | None = None
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the driver
        self._began = float("-inf")
        self._stale = False
        self._told = False

    def __call__(self, record: Record) -> None:
        """Take in one record that has been journaled."""
        if record.type in ("batch_committed", "driver_started"):
            self._stale = True
        if self._stale and self._free() and time.monotonic() - self._began > self._pause():
            self._start()

    def _pause(self) -> float:
        """Seconds between the beginnings of two pieces of work."""
        return max(PAUSE_S, PAUSE_S_PER_BYTE * self._journal.stat().st_size) if self._journal.exists() else PAUSE_S

    def close(self) -> None:
        """Do it once more, up to the last record, before the driver ends."""
        self._end()
        self._start()
        self._end()

    def _start(self) -> None:
        self._began, self._stale = time.monotonic(), False
        # Output goes to a file: nobody would read a pipe, and a process blocks when its pipe is full.
        self._words.seek(0)
        self._words.truncate()
        try:
            # In a session of its own, so that Ctrl-C in the terminal reaches the driver only.
            self._process = subprocess.Popen(
                [sys.executable, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._words,
                start_new_session=True,
            )
        except OSError as error:
            self._tell(f"{error.filename}: {error.strerror}")

    def _free(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        return self._process is None

    def _end(self) -> None:
        """Wait for the work in hand, if there is any, and say what went wrong with it."""
        if self._process is None:
            return
        try:
            if self._process.wait(LAST_S):
                self._tell(self._last_words())
        except subprocess.TimeoutExpired:
            self._tell(f"took over {LAST_S:.0f} s and was ended")
        finally:
            # Stop the process even if a second Ctrl-C ends the waiting.
            self._process.kill()
            self._process.wait()
            self._process = None

    def _last_words(self) -> str:
        self._words.seek(0)
        lines = self._words.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else "no reason given"

    def _tell(self, why: str) -> None:
        if not self._told:
            self._told = True
            self._say(f"{self._what} ({why}); the night goes on")
