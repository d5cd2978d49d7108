"""The journal: an unbroken chain, whatever is cut, changed or not written."""

from __future__ import annotations

import errno
import json
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from state.errors import JournalError
from state.journal import Journal, Record, peek, read_records


def ignore(record: Record) -> None:
    """No fold."""


def write(path: Path, n: int) -> list[Record]:
    with Journal(path, ignore, now=lambda: "2026-11-23T00:00:00Z") as journal:
        return [journal.append("driver_stopped", i, {"reason": f"réason {i}"}) for i in range(n)]


def test_records_come_back_and_are_chained(tmp_path: Path) -> None:
    written = write(tmp_path / "j", 5)
    assert list(read_records(tmp_path / "j")) == written
    assert [r.seq for r in written] == list(range(5))
    assert written[0].prev is None
    assert all(b.prev == a.hash for a, b in pairwise(written))


def test_a_second_opening_goes_on_and_replays(tmp_path: Path) -> None:
    first = write(tmp_path / "j", 3)
    seen: list[Record] = []
    with Journal(tmp_path / "j", seen.append) as journal:
        journal.append("driver_stopped", 9, {"reason": "x"})
    assert seen[:3] == first
    assert len(list(read_records(tmp_path / "j"))) == 4


def test_a_peek_finds_the_whole_records_of_one_type_and_no_word_that_looks_like_it(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with Journal(path, ignore) as journal:
        journal.append("driver_stopped", 0, {"reason": '"type":"budget_stop"'})
        wanted = journal.append("budget_stop", 1, {"reason": "time"})
        journal.append("budget_stop", 2, {"reason": "torn"})
    path.write_bytes(path.read_bytes()[:-1])
    assert list(peek(path, "budget_stop")) == [wanted]
    path.write_bytes(path.read_bytes().replace(b'"reason":"time"', b'"reason":"tide"'))
    with pytest.raises(JournalError, match="line 2"):
        list(peek(path, "budget_stop"))


@given(cut=st.integers(0, 2000))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_cut_anywhere_every_complete_record_survives(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "j"
    path.unlink(missing_ok=True)
    written = write(path, 4)
    data = path.read_bytes()[:cut]
    path.write_bytes(data)
    with Journal(path, ignore) as journal:
        assert journal.torn_bytes == len(data) - (data.rfind(b"\n") + 1)
    assert list(read_records(path)) == written[: data.count(b"\n")]
    write(path, 1)


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_a_changed_deleted_or_moved_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "j"
    write(path, 5)
    good = _lines(path)
    changed = [*good[:2], good[2].replace(b"son 2", b"son 7"), *good[3:]]
    for lines, number in (
        (changed, 3),
        ([*good[:2], *good[3:]], 3),
        ([good[0], good[2], good[1], *good[3:]], 2),
        ([*good[:1], b"{}\n", *good[2:]], 2),
        ([*good[:1], b"\xff\n", *good[2:]], 2),
    ):
        path.write_bytes(b"".join(lines))
        with pytest.raises(JournalError, match=f"line {number}:"):
            list(read_records(path))
        with pytest.raises(JournalError):
            Journal(path, ignore)


@pytest.mark.parametrize("value", ["NaN", '"\\ud800"', "[" * 5000 + "]" * 5000])
def test_json_that_canonical_json_never_writes_is_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, lambda _: None) as journal:
        journal.append("campaign_started", 0, {"key": "VALUE"})
    path.write_text(path.read_text().replace('"VALUE"', value))
    with pytest.raises(JournalError, match="line 1"):
        list(read_records(path))


def test_any_single_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "j"
    write(path, 3)
    good = path.read_bytes()
    for place in range(0, len(good) - 1, 7):
        flipped = bytearray(good)
        flipped[place] ^= 1
        path.write_bytes(bytes(flipped))
        try:
            survivors = len(list(read_records(path)))
        except JournalError:
            continue
        # A newline that became another byte joins two lines: the torn tail is then shorter than the truth.
        assert survivors < 3


def test_a_full_disk_leaves_the_journal_whole_and_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "j"
    folded: list[Record] = []
    journal = Journal(path, folded.append)
    journal.append("driver_stopped", 0, {"reason": "a"})
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            journal.append("driver_stopped", 0, {"reason": "b"})
    assert path.read_bytes() == before
    assert len(folded) == 1
    journal.append("driver_stopped", 0, {"reason": "c"})
    assert [r.data["reason"] for r in read_records(path)] == ["a", "c"]


def test_the_hash_is_over_canonical_json_without_itself(tmp_path: Path) -> None:
    import hashlib

    write(tmp_path / "j", 1)
    fields = json.loads((tmp_path / "j").read_text())
    claimed = fields.pop("hash")
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == claimed
