"""Replaying a night: an untouched one passes, and any single changed byte is found and named."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from agent.claude.mock import MockLLM
from agent.claude.prices import price, table_version
from agent.claude.protocol import Completion, Prompt
from agent.night.loop import run_night
from agent.night.night import open_night
from agent.replay.whole_run import replay_run
from state.errors import RunError
from state.evening import Budget
from state.files import canonical_json
from state.journal import chain_hash, read_records
from state.paths import RunPaths, is_passing
from tests.agent.conftest import write_campaign
from trainer.engines.inline import InlineEngine

# Of no weight for the record: the human's own file, a picture that is drawn anew, and what a worker said.
NOT_EVIDENCE = ("user_input.md", "tree.png", "stderr.log")


def evidence(root: Path) -> list[Path]:
    """Every file of a run that bears on its record."""
    files = [path for path in root.rglob("*") if path.is_file() and not is_passing(path)]
    return sorted(path for path in files if path.name not in NOT_EVIDENCE)


def told(root: Path) -> str:
    """Everything that a replay complains of."""
    outcome = replay_run(root)
    assert not outcome.passed
    return "\n".join([*outcome.faults, *(fault for batch in outcome.batches.values() for fault in batch.faults)])


def test_an_untouched_night_passes_and_is_not_changed(night: Path) -> None:
    before = {path: path.read_bytes() for path in night.rglob("*") if path.is_file()}
    outcome = replay_run(night)
    assert outcome.passed, told(night)
    assert sorted(outcome.batches) == [0, 1, 2, 3]
    assert outcome.batches[2].iterations == [5, 6, 7, 8]
    assert {path: path.read_bytes() for path in night.rglob("*") if path.is_file()} == before


def test_every_kind_of_file_is_evidence(night: Path) -> None:
    names = {path.name for path in evidence(night)}
    want = {"journal.jsonl", "analysis.md", "memory.md", "ucb_scores.txt", "campaign.yaml", "config.yaml"}
    assert want | {"result.json", "metrics.log", "activity.png", "embedding.png", "surrogate_00.yaml"} <= names


def test_a_changed_byte_in_any_file_is_found_and_named(night: Path) -> None:
    rng = random.Random(5)
    for path in evidence(night):
        if path.name in ("journal.jsonl", "job.json"):
            continue
        good = path.read_bytes()
        place = rng.randrange(len(good))
        try:
            path.write_bytes(good[:place] + bytes([good[place] ^ (1 << rng.randrange(8))]) + good[place + 1 :])
            assert path.name in told(night), f"byte {place} of {path}"
        finally:
            path.write_bytes(good)
    assert replay_run(night).passed


def test_a_changed_byte_in_any_journal_line_is_found_and_named(night: Path) -> None:
    journal, rng = RunPaths(night).journal, random.Random(6)
    good = journal.read_bytes()
    start = 0
    try:
        for number, line in enumerate(good.splitlines(keepends=True), start=1):
            for place in (rng.randrange(len(line)), len(line) - 1):
                spoiled = bytearray(good)
                spoiled[start + place] ^= 1 << rng.randrange(8)
                journal.write_bytes(spoiled)
                assert f"line {number}" in told(night), f"byte {place} of line {number}"
            start += len(line)
    finally:
        journal.write_bytes(good)


@pytest.mark.parametrize("name", ["analysis.md", "memory.md", "slots/0005/result.json", "configs/surrogate_02.yaml"])
def test_a_missing_file_and_an_added_line_are_named(night: Path, name: str) -> None:
    good = (night / name).read_bytes()
    try:
        (night / name).write_bytes(good + b"one more line\n")
        assert Path(name).name in told(night)
        (night / name).unlink()
        assert Path(name).name in told(night)
    finally:
        (night / name).write_bytes(good)


def rechained(root: Path, change: tuple[str, str], kind: str, batch: int) -> None:
    """Forge the journal: replace text in one record and mend the whole chain of hashes after it."""
    journal, previous, lines = RunPaths(root).journal, None, []
    for record in list(read_records(journal)):
        fields = record.model_dump(exclude={"hash"}) | {"prev": previous}
        if record.type == kind and record.batch == batch:
            text = canonical_json(fields["data"])
            assert change[0] in text
            fields["data"] = json.loads(text.replace(*change, 1))
        previous = chain_hash(fields)
        lines.append(canonical_json(fields | {"hash": previous}))
    journal.write_text("\n".join(lines) + "\n")


FORGERIES = {
    "a better metric": (('"connectivity_R2":0.', '"connectivity_R2":0.9'), "slot_finished", 2),
    "another seed": (('"training_seed":50', '"training_seed":51'), "batch_planned", 2),
    "another parent": (('"parent":', '"parent":1'), "batch_planned", 3),
    "a kinder verdict": (('"verdict":"', '"verdict":"supported'), "batch_committed", 2),
    "a hypothesis made up later": (('"hypothesis":"', '"hypothesis":"As foreseen: '), "batch_committed", 2),
    "another accepted edit": (('"role":"exploit"', '"role":"explore"'), "reply_accepted", 1),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_record_with_a_mended_chain_is_found(night: Path, tmp_path: Path, name: str) -> None:
    forged = tmp_path / "forged"
    shutil.copytree(night, forged)
    change, kind, batch = FORGERIES[name]
    rechained(forged, change, kind, batch)
    assert "journal line" in told(forged) or "result.json" in told(forged)


def test_deleted_and_reordered_records_are_found(night: Path, tmp_path: Path) -> None:
    good = RunPaths(night).journal.read_bytes().splitlines(keepends=True)
    for number, lines in enumerate([good[:7] + good[8:], [*good[:6], good[7], good[6], *good[8:]]]):
        root = tmp_path / str(number)
        shutil.copytree(night, root)
        RunPaths(root).journal.write_bytes(b"".join(lines))
        assert "line" in told(root)


def test_a_torn_tail_is_a_remark_and_no_fault(night: Path, tmp_path: Path) -> None:
    root = tmp_path / "torn"
    shutil.copytree(night, root)
    with RunPaths(root).journal.open("ab") as file:
        file.write(b'{"batch":3,"data":{"rea')
    outcome = replay_run(root)
    assert outcome.passed
    assert "half-written" in outcome.remarks[0]


def test_only_the_batch_asked_for_is_compared(night: Path, tmp_path: Path) -> None:
    root = tmp_path / "one"
    shutil.copytree(night, root)
    (root / "slots" / "0005" / "result.json").write_text("{}")
    assert replay_run(root, only=1).passed
    assert not replay_run(root, only=2).passed


def test_a_directory_without_a_run_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no nightfly run"):
        replay_run(tmp_path)


class Paid(MockLLM):
    """Answers as a priced model would, and says what it used."""

    def complete(self, prompt: Prompt, schema: dict[str, object]) -> Completion:
        usage = {"input_tokens": 1000, "output_tokens": 500}
        model = "claude-opus-5-5"
        text = super().complete(prompt, schema).text
        return Completion(text, "end_turn", usage, "req", model, price(model, usage))


def test_a_cost_that_does_not_follow_from_usage_and_prices_is_found(tmp_path: Path) -> None:
    night = open_night(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", dry_run=True)
    night.record("driver_started", {"packages": {"genai-prices": table_version()}})
    run_night(night, Paid(), InlineEngine(), lambda *_: None, Budget(max_batches=1))
    night.derived.flush()
    night.close()
    assert replay_run(tmp_path / "r").passed, told(tmp_path / "r")
    rechained(tmp_path / "r", ('"cost_usd":0.', '"cost_usd":1.'), "reply_received", 1)
    assert "cost_usd" in told(tmp_path / "r")


@pytest.mark.parametrize("workers", [2, 3])
def test_shares_find_what_one_process_finds(night: Path, tmp_path: Path, workers: int) -> None:
    alone, shared = replay_run(night), replay_run(night, workers=workers)
    assert (alone.batches, alone.faults, alone.head) == (shared.batches, shared.faults, shared.head)
    root = tmp_path / "bad"
    shutil.copytree(night, root)
    for number in (2, 7, 11):
        (root / "slots" / f"{number:04d}" / "result.json").write_text("{}")
    (root / "memory.md").write_text("forged")
    alone, shared = replay_run(root), replay_run(root, workers=workers)
    assert (alone.batches, alone.faults) == (shared.batches, shared.faults)
    assert [number for number, batch in shared.batches.items() if not batch.passed] == [1, 2, 3]
