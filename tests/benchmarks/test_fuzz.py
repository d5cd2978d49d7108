"""A few seconds of fuzzing; what it starts from is sound, and a reader that crashes would be caught."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agent.audit.audit import audit
from benchmarks import fuzz
from benchmarks.samples import journal, own_log, predecessor_log, score_file
from state.journal import read_records
from ucb.log import parse_log
from ucb.score import parse_scores


def test_what_the_fuzzer_starts_from_is_sound(tmp_path: Path) -> None:
    assert len(parse_log(own_log(30))) == 30
    assert audit(own_log(30).encode(), score_file(30).encode()).score_findings == []
    assert not audit(own_log(30).encode()).failed
    assert len(parse_scores(score_file(30)).scores) == 6
    assert len(audit(predecessor_log(30).encode()).entries) == 30
    path = tmp_path / "journal.jsonl"
    path.write_bytes(journal(20))
    assert len(list(read_records(path))) == 20


def test_no_mutated_input_crashes_a_reader(tmp_path: Path) -> None:
    tally = fuzz.run(first=10**7, n=4000, folder=tmp_path)
    assert tally.crashes == []
    assert set(tally.cases) == {name for name, _, _ in fuzz.targets()}
    assert sum(tally.cases.values()) == 4000


def test_mended_journals_are_read_beyond_the_hash(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(fuzz._mended(journal(3).replace(b"0.1", b"0.7")))
    assert len(list(read_records(path))) == 3


def test_a_case_follows_from_its_number() -> None:
    data, other = own_log(2).encode(), predecessor_log(2).encode()
    cases = [fuzz.mutate(random.Random(case), data, other) for case in range(50)]
    assert cases == [fuzz.mutate(random.Random(case), data, other) for case in range(50)]
    assert len(set(cases)) > 45


def test_a_reader_that_crashes_is_caught_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reader(data: bytes, _: Path) -> None:
        raise KeyError(len(data))

    monkeypatch.setattr(fuzz, "targets", lambda: [("bad", reader, [b"x"])])
    tally = fuzz.run(first=3, n=2, folder=tmp_path)
    assert [(case, name) for case, name, _ in tally.crashes] == [(3, "bad"), (4, "bad")]


def test_a_reader_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reader(_: bytes, __: Path) -> None:
        while True:
            pass

    monkeypatch.setattr(fuzz, "LIMIT_S", 0.05)
    monkeypatch.setattr(fuzz, "targets", lambda: [("slow", reader, [b"x"])])
    (crash,) = fuzz.run(first=0, n=1, folder=tmp_path).crashes
    assert "TimeoutError" in crash[2]
