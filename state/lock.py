"""One driver a run: an advisory lock that the kernel drops when its holder dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from pathlib import Path

from state.errors import RunError


class DriverLock:
    """Holds ``driver.lock``; its content tells people who holds it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+")
        if not self._taken():
            holder = read_holder(path)
            self._file.close()
            raise RunError(
                f"{path.parent}: another driver is at work (pid {holder.get('pid', '?')} on "
                f"{holder.get('host', '?')}); wait for it, or stop it with Ctrl-C"
            )
        self._file.truncate(0)
        self._file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        self._file.flush()

    def _taken(self) -> bool:
        """Try for a moment: `is_held` in another process takes the lock, shared, for an instant."""
        for pause in (0.02, 0.05, 0.1, 0.0):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(pause)
            else:
                return True
        return False

    def release(self) -> None:
        """Release the lock."""
        self._file.close()


def read_holder(path: Path) -> dict[str, object]:
    """Who wrote the lock file last; empty when nobody did."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def is_held(path: Path) -> bool:
    """Whether a living driver holds the lock."""
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
