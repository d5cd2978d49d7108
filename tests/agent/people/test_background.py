"""Work in the background of a driver: after batches, not too often, and never at the night's expense."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from agent.people import background
from agent.people.background import BackgroundWork
from state.journal import Record


def record(kind: str) -> Record:
    return Record.model_construct(seq=0, time="t", type=kind, batch=1, data={}, prev=None, hash="")


def counting(tmp_path: Path, said: list[str]) -> tuple[BackgroundWork, Path]:
    """Work that leaves a line each time it is done."""
    script, lines = tmp_path / "work.py", tmp_path / "lines"
    script.write_text("import sys; open(sys.argv[1], 'a').write('x')")
    return BackgroundWork((str(script), str(lines)), "the work was not done", said.append, tmp_path / "journal"), lines


def test_work_is_done_once_more_before_the_driver_ends(tmp_path: Path) -> None:
    said = list[str]()
    work, lines = counting(tmp_path, said)
    work.close()
    assert lines.read_text() == "x"
    assert said == []


def test_work_is_begun_after_batches_and_at_most_every_few_seconds(tmp_path: Path) -> None:
    said = list[str]()
    work, lines = counting(tmp_path, said)
    for kind in ("driver_started", *["slot_finished", "batch_committed"] * 10):
        work(record(kind))
    work.close()
    # Once at the beginning, once at the end.
    assert lines.read_text() == "xx"


def test_records_between_batches_begin_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "PAUSE_S", 0.0)
    work, lines = counting(tmp_path, list[str]())
    for kind in ("slot_started", "slot_finished", "prompt_rendered"):
        work(record(kind))
    assert not lines.exists()


def test_the_pause_grows_with_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "PAUSE_S", 0.0)
    monkeypatch.setattr(background, "PAUSE_S_PER_BYTE", 1.0)
    work, lines = counting(tmp_path, list[str]())
    (tmp_path / "journal").write_bytes(b"x" * 3600)
    for _ in range(3):
        work(record("batch_committed"))
        time.sleep(0.2)
    work.close()
    # Once after the first batch, once at the end.
    assert lines.read_text() == "xx"


def test_a_failure_is_told_once(tmp_path: Path) -> None:
    said = list[str]()
    script = tmp_path / "fails.py"
    script.write_text("import sys; sys.exit('the disk is full')")
    work = BackgroundWork((str(script),), "the report could not be written", said.append, tmp_path / "journal")
    work.close()
    work.close()
    assert said == ["the report could not be written (the disk is full); the night goes on"]


def test_work_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = list[str]()
    script = tmp_path / "hangs.py"
    script.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(background, "LAST_S", 0.3)
    BackgroundWork((str(script),), "the report could not be written", said.append, tmp_path / "journal").close()
    assert "took over 0 s and was ended" in said[0]


def test_work_that_cannot_be_started_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = list[str]()
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    BackgroundWork(("-c", ""), "the report could not be written", said.append, tmp_path / "journal").close()
    assert said == ["the report could not be written (/no/such/python: No such file or directory); the night goes on"]
