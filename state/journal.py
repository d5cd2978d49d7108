"""The journal: one hash-chained JSON object a line, appended and fsynced; it is the truth of a run."""

from __future__ import annotations

import builtins
import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast, get_args

from pydantic import ValidationError

from state.errors import JournalError
from state.files import canonical_json, sha256, sync_folder
from state.schema import Section
from state.shapes import SHAPES, Shape

RecordType = Literal[
    "campaign_started",
    "run_imported",
    "batch_planned",
    "slot_planned",
    "slot_started",
    "slot_finished",
    "slot_failed",
    "slot_cut",
    "explorer_asked",
    "prompt_rendered",
    "reply_received",
    "reply_rejected",
    "reply_accepted",
    "batch_committed",
    "user_input_taken",
    "claude_awaited",
    "budget_stop",
    "driver_started",
    "driver_stopped",
]
RECORD_TYPES: tuple[str, ...] = get_args(RecordType)
S = TypeVar("S")


class Record(Section):
    """One line. ``hash`` is sha256 over the other fields as canonical JSON; ``prev`` is the hash before it."""

    seq: int
    time: str
    type: RecordType
    batch: int
    data: dict[str, Any]
    prev: str | None
    hash: str

    def of(self, shape: builtins.type[S]) -> S:
        """What the record says, as the shape of its type; see `state.shapes`."""
        assert SHAPES[self.type] is shape, f"a {self.type} is no {shape.__name__}"
        return cast(S, self.data)


def chain_hash(fields: dict[str, Any]) -> str:
    """The hash of a record given without its ``hash``."""
    return sha256(canonical_json(fields).encode("utf-8"))


def utc_now() -> str:
    """The present, RFC 3339, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Place:
    """Where a reading of a journal ended: how many records, the bytes of the last of them, and its hash."""

    records: int = 0
    begin: int = 0
    end: int = 0
    last: str | None = None

    def holds(self, path: Path) -> bool:
        """Whether the last record that was read is still there: by its hash, so are all before it."""
        with path.open("rb") as file:
            file.seek(self.begin)
            return f'"hash":"{self.last}"'.encode() in file.read(self.end - self.begin)


def read_records(path: Path, place: Place | None = None) -> Iterator[Record]:
    """Every record in order, the chain verified; JournalError names the line. A torn last line ends the reading.

    With the ``place`` of an earlier reading those that came since; it is moved on record by record.
    """
    place = place or Place()
    with path.open("rb") as file:
        file.seek(place.end)
        for line in file:
            if not line.endswith(b"\n"):
                return
            record = _parse(path, place.records, line)
            if record.seq != place.records or record.prev != place.last:
                raise JournalError(
                    f"{path}, line {place.records + 1}: does not follow the line before; lines were lost or moved"
                )
            place.records, place.begin, place.end = place.records + 1, place.end, place.end + len(line)
            place.last = record.hash
            yield record


def peek(path: Path, kind: RecordType) -> Iterator[Record]:
    """The records of one type, each sound in itself; the chain is not verified, as whoever opens the journal does."""
    mark = f'"type":"{kind}"'.encode()
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if mark in line and line.endswith(b"\n") and (record := _parse(path, number, line)).type == kind:
                yield record


def _parse(path: Path, number: int, line: bytes) -> Record:
    try:
        fields = json.loads(line)
        record = Record.model_validate(fields)
        # Over the bytes of the file: even a change that parses to the same value (1.0 to 1.00) is found.
        expected = sha256(line[:-1].replace(f'"hash":"{record.hash}",'.encode(), b"", 1))
    # json.loads accepts what canonical JSON never contains (NaN, lone surrogates) and may exceed the recursion limit.
    except (ValueError, ValidationError, RecursionError) as error:
        raise JournalError(f"{path}, line {number + 1}: not a journal record; it was changed after writing") from error
    if expected != record.hash:
        raise JournalError(f"{path}, line {number + 1}: its hash does not match; it was changed after writing")
    return record


class Journal:
    """Append-only writer. Opening it verifies the chain, hands each old record to ``replay``, and cuts a torn tail."""

    def __init__(self, path: Path, replay: Callable[[Record], None], now: Callable[[], str] = utc_now) -> None:
        self.path = path
        self._replay = replay
        self._now = now
        self._last: Record | None = None
        self.torn_bytes = 0
        created = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        if created:
            sync_folder(path.parent)
        try:
            for record in read_records(path):
                replay(record)
                self._last = record
            self._cut_torn_tail()
            self._size = os.fstat(self._file.fileno()).st_size
        except BaseException:
            self._file.close()
            raise

    @property
    def head(self) -> str | None:
        """The hash of the last record."""
        return self._last.hash if self._last else None

    def append(self, kind: RecordType, batch: int, data: Shape | Mapping[str, Any]) -> Record:
        """Write one record durably, then fold it; on an error nothing is written and nothing folded."""
        self.check()
        said = json.loads(canonical_json(data))
        fields = {"seq": self._last.seq + 1 if self._last else 0, "time": self._now(), "type": kind, "batch": batch}
        fields |= {"data": said, "prev": self.head}
        # Canonical JSON with its keys in order; what the record says is nearly all of it, and written once.
        before = f'{{"batch":{batch},"data":{canonical_json(said)}'
        after = canonical_json({key: fields[key] for key in ("prev", "seq", "time", "type")})[1:]
        record = Record(**fields, hash=sha256(f"{before},{after}".encode()))
        self._write(f'{before},"hash":"{record.hash}",{after}\n'.encode())
        self._last = record
        self._replay(record)
        return record

    def check(self) -> None:
        """JournalError when the path no longer leads to the file as this writer left it: then it is another's."""
        if self._file.closed:
            return  # nothing more is appended, so nothing of another's can be harmed
        ours, size = os.fstat(self._file.fileno()), self._size
        try:
            there = os.stat(self.path)
        except OSError:
            raise JournalError(
                f"{self.path}: is gone, the run directory was moved or removed while the night ran; nothing more was "
                "written; put it back, or go on where it is now: nightfly run DIRECTORY"
            ) from None
        if not os.path.samestat(ours, there):
            raise JournalError(
                f"{self.path}: is another file than the one this driver opened; nothing more was written; go on with "
                f"nightfly run {self.path.parent}"
            )
        if there.st_size != size:
            raise JournalError(
                f"{self.path}: has {there.st_size} bytes, this driver left {size}: another one is at work on the run; "
                "nothing more was written; stop one of them for good, and never remove driver.lock"
            )

    def _write(self, line: bytes) -> None:
        """All of the line or none of it: a half-written one is cut again, so that the journal stays usable."""
        end = self._size
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            os.fsync(self._file.fileno())
        except OSError:
            os.ftruncate(self._file.fileno(), end)
            raise
        self._size = end + len(line)

    def _cut_torn_tail(self) -> None:
        """Cut what a crash left of a line that was never completed."""
        data = self.path.read_bytes() if self.path.stat().st_size else b""
        keep = data.rfind(b"\n") + 1
        self.torn_bytes = len(data) - keep
        if self.torn_bytes:
            os.ftruncate(self._file.fileno(), keep)
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
