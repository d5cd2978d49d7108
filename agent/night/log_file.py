"""analysis.md on disk: appended to, read back, and kept aside when somebody else has written to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from state.files import keep_aside, write_atomic
from ucb.log_edits import first_edit, tree_edit
from ucb.tree import TreeError


class LogFile:
    """The log of one run. ``whole`` makes it from the journal, for when the file holds something else."""

    def __init__(self, path: Path, title: str, whole: Callable[[], str]) -> None:
        self.path = path
        self.tell: Callable[[str], None] = lambda note: self.notes.append(note)
        self.notes: list[str] = []
        self._whole = whole
        self._new = [title]
        self._seen: tuple[int, int] | None = None
        self._read = 0

    def add(self, text: str) -> None:
        """``text`` follows from the journal and is written with the next `flush`."""
        self._new.append(text)

    def waiting(self) -> str:
        """What the next `flush` writes."""
        return "".join(self._new)

    def flush(self, refuse_edits: bool = True) -> str:
        """Write what waits; returns what the file then holds beyond what was returned before, read back from the disk.

        What somebody wrote into the file is kept aside and told. TreeError when it told another tree, unless the file
        has not been looked at yet (a driver that begins mends it) or ``refuse_edits`` is False.
        """
        new = "".join(self._new)
        if not new and self._seen is not None:
            # Nothing is written, so nothing is looked at: an edit waits to be seen.
            return ""
        if self._seen is None:
            self._mend(new, new, refuse=False)
        elif self._seen != self._stamp():
            whole = self._whole()
            self._mend(whole, whole.removesuffix(new), refuse=refuse_edits)
        else:
            with self.path.open("ab") as file:
                file.write(new.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
        self._new = []
        self._seen = self._stamp()
        return self._read_on()

    def _stamp(self) -> tuple[int, int] | None:
        """Size and time of the last change: equal as long as nobody else has written."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_size, status.st_mtime_ns

    def _read_on(self) -> str:
        with self.path.open("rb") as file:
            file.seek(self._read)
            content = file.read()
        self._read += len(content)
        return content.decode("utf-8")

    def _mend(self, made: str, expected: str, refuse: bool) -> None:
        """Write the whole log; a file that says something else than ``expected`` is kept aside and told."""
        content = self.path.read_bytes() if self.path.exists() else b""
        if content == made.encode("utf-8"):
            return
        # A crash leaves the beginning of the log: nothing of that is anybody else's.
        if not made.encode("utf-8").startswith(content):
            found = content.decode("utf-8", "replace")
            if refuse and (edit := tree_edit(expected, found, self.path.name)) is not None:
                raise TreeError(
                    f"{edit}; put that line right, or leave it: the next start keeps this file aside and writes the "
                    "log anew"
                )
            kept = keep_aside(self.path, content)
            self.tell(f"somebody changed the log: {first_edit(expected, found, self.path.name)}; kept as {kept.name}")
        write_atomic(self.path, made)
