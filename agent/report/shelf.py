"""What `nightfly serve` shows of a directory, made anew only when a journal has grown."""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

from agent.ledger.ledger import Ledger
from agent.report.data import run_data
from agent.report.limits import Limits, limits_of
from agent.report.listing import RunLine, run_line, with_state
from agent.report.nights import night_facts, render_nights
from agent.report.page import inert_json, render_page
from agent.report.pictures import Album
from agent.report.story import Reading, Story
from state.paths import RunPaths

# The only files that are ever sent, with their content types; no other path of a request opens a file.
FILES = (
    (re.compile(r"slots/[0-9]{4,9}/(activity|embedding)\.png"), "image/png"),
    (re.compile(r"tree\.png"), "image/png"),
    (re.compile(r"blobs/[0-9a-f]{64}"), "text/plain; charset=utf-8"),
    (re.compile(r"(analysis|memory)\.md|ucb_scores\.txt"), "text/plain; charset=utf-8"),
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
TAIL_BYTES = 65_536

Stamp = tuple[int, int]


@dataclass
class _Kept:
    """What was made of one run, and the state of its journal then."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    album: Album = field(default_factory=Album)
    line: tuple[Stamp, RunLine] | None = None
    page: tuple[Stamp, str] | None = None
    # What a page of a very long night is asked for later.
    read: tuple[Stamp, Reading] | None = None


@dataclass
class Shelf:
    """The runs below ``root``; a line or a page is made when it is asked for and the run's journal has grown."""

    root: Path
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, name: str) -> RunPaths | None:
        """The run called ``name``, None when there is none inside ``root``."""
        path = self.root / name
        if not NAME.fullmatch(name) or not self._inside(path / RunPaths(path).journal.name):
            return None
        return RunPaths(path)

    def lines(self) -> list[RunLine]:
        """One line a run, the one that changed last first."""
        found = [self._line(paths) for name in sorted(os.listdir(self.root)) if (paths := self.run(name)) is not None]
        return sorted(found, key=lambda line: line.changed, reverse=True)

    def _line(self, paths: RunPaths) -> RunLine:
        kept = self._of(paths)
        with kept.lock:
            stamp = _stamp(paths)
            if kept.line is None or kept.line[0] != stamp:
                kept.line = stamp, run_line(paths)
            return with_state(kept.line[1], paths)

    def page(self, paths: RunPaths) -> str:
        """The report of a run; NightflyError when its journal cannot be read."""
        kept = self._of(paths)
        # Two readers of one run wait for one page; readers of another run do not wait for it.
        with kept.lock:
            stamp = _stamp(paths)
            if kept.page is None or kept.page[0] != stamp:
                ledger, story = self._read(kept, paths, stamp)
                kept.page = stamp, render_page(ledger, story, base="", album=kept.album, live=True)
            return kept.page[1]

    def one(self, paths: RunPaths, number: int) -> str | None:
        """All that is known of one run of a night, as JSON; None for a run that has not finished."""
        kept = self._of(paths)
        with kept.lock:
            ledger, story = self._read(kept, paths, _stamp(paths))
            iteration = ledger.history.iterations.get(number)
            if iteration is None or iteration.result is None:
                return None
            album = Album().pictures(ledger, Limits(whole=frozenset([number])))
            return inert_json(run_data(ledger, story, number, album[number]))

    def _read(self, kept: _Kept, paths: RunPaths, stamp: Stamp) -> tuple[Ledger, Story]:
        """Ledger and story; of a very long night kept and read on, since it takes long to read and much memory."""
        if kept.read is not None and kept.read[0] == stamp:
            return kept.read[1].ledger, kept.read[1].story
        # A record that cannot be read must leave no half-read ledger behind.
        earlier, kept.read = kept.read, None
        reading = earlier[1] if earlier is not None and earlier[1].goes_on() else Reading(paths)
        if limits_of(reading.ledger).whole is not None:
            kept.read = stamp, reading
        return reading.ledger, reading.story

    def nights(self, one: str, other: str) -> str:
        """The page of two nights side by side; a name that is no run is nobody's night."""
        names = [name for name in sorted(os.listdir(self.root)) if self.run(name) is not None]
        chosen = [paths for name in (one, other) if (paths := self.run(name)) is not None]
        return render_nights(names, one, other, [night_facts(paths) for paths in chosen] if len(chosen) == 2 else [])

    def head(self, paths: RunPaths) -> str:
        """The hash of the last whole record, unverified: open pages ask for it every few seconds, all night long."""
        with paths.journal.open("rb") as file:
            end, tail = file.seek(0, os.SEEK_END), b""
            while tail.count(b"\n") < 2 and end > 0:
                begin = max(0, end - TAIL_BYTES)
                file.seek(begin)
                tail, end = file.read(end - begin) + tail, begin
        try:
            return str(json.loads(tail[: tail.rfind(b"\n") + 1].splitlines()[-1])["hash"])
        except (ValueError, LookupError, TypeError):
            return ""

    def file(self, paths: RunPaths, inside: str) -> tuple[str, bytes] | None:
        """Type and bytes of a file of a run, None for what is not shown to anybody."""
        kind = next((kind for form, kind in FILES if form.fullmatch(inside)), None)
        path = paths.root / inside
        return (kind, path.read_bytes()) if kind is not None and self._inside(path) else None

    def _of(self, paths: RunPaths) -> _Kept:
        with self._lock:
            return self._kept.setdefault(paths.root.name, _Kept())

    def _inside(self, path: Path) -> bool:
        """Whether ``path`` is a file that really lies below the root, whatever links lead to it."""
        try:
            real = path.resolve()
            return real.is_file() and real.is_relative_to(self.root.resolve())
        except (PermissionError, RuntimeError):
            # PermissionError: the folder belongs to another user. RuntimeError: symbolic links lead in a circle.
            return False


def _stamp(paths: RunPaths) -> Stamp:
    state = paths.journal.stat()
    return state.st_size, state.st_mtime_ns
