"""Keeps the page of a run fresh beside a working driver. Knows nothing of what the page says."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from state.journal import Record
from state.paths import RunPaths

# A page takes about a second for each 9 MB of journal; a fast night may spend a tenth of its time on it.
PAUSE_S = 15.0
PAUSE_S_PER_BYTE = 1e-6
LAST_S = 120.0
COMMAND = ("-m", "agent.report.write")


class FreshReport:
    """Rewrites a run's page after batches, in a process of its own: neither its time nor its faults are the night's."""

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self._root, self._say = root, say
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._stale = False
        self._told = False

    def __call__(self, record: Record) -> None:
        """Take in one record that has been journaled."""
        if record.type in ("batch_committed", "driver_started"):
            self._stale = True
        if self._stale and self._free() and time.monotonic() - self._began > self._pause():
            self._start()

    def _pause(self) -> float:
        """Seconds between the beginnings of two pages."""
        journal = RunPaths(self._root).journal
        return max(PAUSE_S, PAUSE_S_PER_BYTE * journal.stat().st_size) if journal.exists() else PAUSE_S

    def close(self) -> None:
        """Bring the page up to the last record before the driver ends."""
        if self._process is not None:
            self._wait()
        self._start()
        self._wait()

    def _start(self) -> None:
        self._began, self._stale = time.monotonic(), False
        command = [sys.executable, *COMMAND, str(self._root)]
        # A session of its own: Ctrl-C in the terminal is the driver's to answer.
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )

    def _free(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            self._wait()
        return self._process is None

    def _wait(self) -> None:
        assert self._process is not None
        try:
            _, complaint = self._process.communicate(timeout=LAST_S)
        except subprocess.TimeoutExpired:
            complaint = f"took over {LAST_S:.0f} s and was ended".encode()
        finally:
            # Also when a second Ctrl-C ends the waiting.
            self._process.kill()
        self._process.wait()
        if (self._process.returncode or complaint) and not self._told:
            self._told = True
            last = (complaint.decode("utf-8", "replace").strip().splitlines() or ["no reason given"])[-1]
            self._say(f"the report could not be written ({last}); the night goes on")
        self._process = None
