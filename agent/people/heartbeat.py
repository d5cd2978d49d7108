"""heartbeat.json: a driver says every so often that it lives; a watchdog tells people when it no longer does."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.people.alarms import Notifier
from state.errors import RunError
from state.evening import Notify
from state.files import write_atomic
from state.lock import is_held
from state.paths import RunPaths

BEAT_S = 15.0
STALE_S = 120.0


class Heartbeat:
    """Beats in a thread of its own while entered, and says at the end that it ended by itself."""

    def __init__(self, path: Path, campaign: str, notify: Notify) -> None:
        self._path = path
        self._facts = {"campaign": campaign, "notify": notify.model_dump(), "pid": os.getpid()}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._write(ended=False)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._write(ended=True)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            self._write(ended=False)

    def _write(self, ended: bool) -> None:
        facts = self._facts | {"time": time.time(), "host": socket.gethostname(), "ended": ended}
        if not self._path.parent.is_dir():
            # The run directory was moved: making a new one here would only confuse.
            return
        try:
            write_atomic(self._path, json.dumps(facts))
        except OSError:
            # A full disk is noticed when the next record is written; a missed heartbeat must not end the night.
            return


def read_heartbeat(path: Path) -> dict[str, Any] | None:
    """The last beat, None when there is none."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def has_died(paths: RunPaths, now: float) -> bool:
    """Whether the driver is gone without having ended: its lock is free, or on another host its beat is old."""
    beat = read_heartbeat(paths.heartbeat)
    if beat is None or beat.get("ended"):
        return False
    if beat.get("host") == socket.gethostname():
        return not is_held(paths.lock)
    return now - float(beat.get("time", 0.0)) > STALE_S


def watch(root: Path, every_s: float, once: bool) -> int:
    """Look at the run in ``root`` until its driver has ended (0) or died (1, and people are told)."""
    paths = RunPaths(root)
    if read_heartbeat(paths.heartbeat) is None:
        raise RunError(f"{root}: no driver has run here (no heartbeat.json); give a directory such as runs/quickstart")
    while True:
        beat = read_heartbeat(paths.heartbeat) or {}
        if has_died(paths, time.time()):
            text = f"the driver (pid {beat.get('pid')} on {beat.get('host')}) has died; go on with: nightfly run {root}"
            notifier = Notifier(Notify.model_validate(beat["notify"]), str(beat["campaign"]), print)
            notifier.send("driver_died", text)
            notifier.wait()
            print(f"{root}: {text}")
            return 1
        if beat.get("ended") or once:
            print(f"{root}: the driver {'has ended by itself' if beat.get('ended') else 'is at work'}")
            return 0
        time.sleep(every_s)
