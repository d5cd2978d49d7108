"""Requests to a running driver from other shells: pause, resume, stop; one small file each, taken in order."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Literal, get_args

from agent.ledger.open_run import open_run
from state.errors import RunError
from state.files import write_atomic
from state.lock import is_held

RequestKind = Literal["pause", "resume", "stop"]
KINDS: tuple[RequestKind, ...] = get_args(RequestKind)
LOOK_EVERY_S = 0.5


def request(root: Path, kind: RequestKind) -> None:
    """Leave a request for the driver of the run in ``root``; RunError when none is at work."""
    paths = open_run(root).paths
    if not is_held(paths.lock):
        raise RunError(f"{root}: no driver is at work, so there is nothing to {kind}; start one: nightfly run {root}")
    write_atomic(paths.requests / f"{time.time_ns():020d}-{os.getpid()}.json", json.dumps({"kind": kind}))


class Inbox:
    """The driver's side: looks at most every LOOK_EVERY_S."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looked = -LOOK_EVERY_S

    def clear(self) -> None:
        """Forget what was asked of an earlier driver."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def waiting(self) -> list[tuple[Path, RequestKind]]:
        """Requests in the order they were made, each with its file; what is no request is thrown away."""
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY_S:
            return []
        self._looked = now
        found = []
        for path in self._files():
            kind = _kind(path)
            if kind is None:
                path.unlink(missing_ok=True)
            else:
                found.append((path, kind))
        return found

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.iterdir() if path.suffix == ".json")
        except FileNotFoundError:
            return []


def _kind(path: Path) -> RequestKind | None:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    kind = value.get("kind") if isinstance(value, dict) else None
    return next((known for known in KINDS if known == kind), None)
