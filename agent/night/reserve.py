"""Room for a reply, taken before Claude is asked: one that has been paid for is never thrown away for want of space."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from state.files import canonical_json
from state.shapes import ReplyReceived

# A token takes about five bytes, more with the escapes of JSON; besides come usage and tries.
BYTES_PER_TOKEN = 12
BESIDES = 128 * 1024


class Reserve:
    """One file, allocated before a request and overwritten in place by what came back, so that no new space is needed.

    What it holds is of one prompt, named by the hash of its record: the head of the journal while the reply is out. It
    is removed once the reply is in the journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self, max_tokens: int) -> None:
        """Take the room; OSError when there is none, before anything has been asked."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, BYTES_PER_TOKEN * max_tokens + BESIDES)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            raise OSError(error.errno, os.strerror(error.errno or 0), str(self._path)) from error
        finally:
            os.close(descriptor)

    def keep(self, head: str, received: ReplyReceived, text: str) -> None:
        """Write down what came back before anything else is done with it."""
        kept = canonical_json({"head": head, "received": received, "text": text}).encode("utf-8") + b"\n"
        descriptor = os.open(self._path, os.O_RDWR)
        try:
            os.pwrite(descriptor, kept, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def found(self, head: str) -> tuple[ReplyReceived, str] | None:
        """A reply to the prompt with the hash ``head`` that could not be journaled, and its text; None without one."""
        try:
            line, end, _ = self._path.read_bytes().partition(b"\n")
            kept: Any = json.loads(line) if end else None
        except (OSError, ValueError):
            return None
        ours = isinstance(kept, dict) and kept.get("head") == head
        return (kept["received"], kept["text"]) if ours else None

    def clear(self) -> None:
        """Give the room back."""
        self._path.unlink(missing_ok=True)
