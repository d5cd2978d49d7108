"""Records dropped from the end of a journal, and what is found of it without and with a head kept elsewhere."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from agent.commands.rebuild import rebuild
from agent.replay.whole_run import replay_run
from agent.report.write import write_report
from state.journal import read_records
from state.paths import RunPaths
from tests.agent.conftest import play, write_campaign
from tests.agent.test_cli import here, refusal


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ends")
    play(write_campaign(root / "c.yaml"), root / "r", 3)
    write_report(root / "r")
    return root / "r"


@pytest.fixture
def run(ended: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ended, tmp_path / "run"))


def cut(root: Path, records: int) -> None:
    journal = RunPaths(root).journal
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:records]))


def test_an_untouched_run_passes_with_any_of_its_heads(run: Path) -> None:
    heads = [record.hash for record in read_records(RunPaths(run).journal)]
    assert replay_run(run).passed
    for head in (heads[0], heads[-1], heads[-1][:16]):
        assert replay_run(run, anchor=head).passed


def test_every_cut_is_found_by_what_else_is_there(run: Path) -> None:
    records = list(read_records(RunPaths(run).journal))
    whole = RunPaths(run).journal.read_bytes()
    for left in range(1, len(records)):
        cut(run, left)
        assert not replay_run(run).passed, f"{left} of {len(records)} records"
        RunPaths(run).journal.write_bytes(whole)


def test_after_a_rebuild_whole_dropped_batches_are_still_known_by_their_slots(run: Path) -> None:
    records = list(read_records(RunPaths(run).journal))
    cut(run, next(record.seq for record in records if record.type == "batch_planned" and record.batch == 3))
    rebuild(run)
    faults = replay_run(run).faults
    assert any("slots/0009: no record knows of it" in fault for fault in faults), faults


def test_only_a_head_kept_elsewhere_finds_what_leaves_no_trace(run: Path) -> None:
    records = list(read_records(RunPaths(run).journal))
    head = records[-1].hash
    cut(run, len(records) - 1)
    rebuild(run)
    assert replay_run(run).passed, "the record that the night has ended: nothing else knows of it"
    outcome = replay_run(run, anchor=head)
    assert not outcome.passed
    assert "the journal was cut before it" in outcome.faults[0]
    code, out, _ = here("replay", run, "--head", head)
    assert code == 1
    assert "run         FAIL  no record has the hash" in out


def test_a_later_attempt_that_no_record_knows_is_named(run: Path) -> None:
    job = RunPaths(run).slot(5).job
    job.write_text(job.read_text().replace(".a1", ".a2"))
    assert any("attempt 2, which no record knows" in fault for fault in replay_run(run).faults)


def test_a_flipped_byte_anywhere_in_the_tree_is_found(run: Path) -> None:
    picture, rng = RunPaths(run).tree_picture, random.Random(3)
    good = picture.read_bytes()
    for place in [0, 9, 17, len(good) - 1, *rng.sample(range(len(good)), 12)]:
        picture.write_bytes(good[:place] + bytes([good[place] ^ (1 << rng.randrange(8))]) + good[place + 1 :])
        assert any("tree.png is not whole" in fault for fault in replay_run(run).faults), place
    picture.write_bytes(good + b"more")
    assert not replay_run(run).passed


def test_what_is_no_head_is_one_sentence(run: Path) -> None:
    for wrong in ("abc", "Z" * 64, "0" * 65):
        assert "is no head of a journal" in refusal("replay", run, "--head", wrong)
