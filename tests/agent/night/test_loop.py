"""Whole nights on the surrogate: what is written agrees with what happened, and stopping anywhere changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, Prompt
from agent.night.derived import Derived
from agent.night.night import Night, open_night
from state.config import SlotConfig, difference
from state.errors import RunError
from state.files import read_yaml
from state.journal import Journal, read_records
from state.schema import validate
from state.surrogate import SurrogateConfig
from tests.agent.conftest import play, write_campaign
from trainer.engines.inline import InlineEngine
from ucb.grammar import parse_mutation
from ucb.log import parse_log
from ucb.tree import build_tree, same_tree

DERIVED = ("analysis.md", "memory.md", "ucb_scores.txt", "configs", "snapshots")


def contents(root: Path) -> dict[str, bytes]:
    """Every derived file of a run."""
    files = [
        path for name in DERIVED for path in ([root / name] if (root / name).is_file() else (root / name).rglob("*"))
    ]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_log_tree_equals_journal_tree_and_mutations_equal_config_differences(finished: Callable[[int], Night]) -> None:
    night = finished(6)
    entries = parse_log(night.paths.log.read_text())
    assert [entry.iteration for entry in entries] == list(range(1, 25))
    assert same_tree(build_tree(entries), night.views.tree.graph) is None
    for entry in entries:
        iteration = night.history.iterations[entry.iteration]
        parent = night.views.parent_config(entry.parent)
        assert parent is not None
        changed = difference(parent, night.views.config(iteration))
        assert parse_mutation(entry.mutation) == {key.rsplit(".", 1)[-1]: pair for key, pair in changed.items()}


def test_first_block_is_baseline_then_two_replicates_of_four(finished: Callable[[int], Night]) -> None:
    night = finished(5)
    roles = {n: [it.planned.role for it in night.history.batch(n)] for n in range(1, 6)}
    assert roles[1] == ["baseline"] * 4
    for batch in range(2, 6):
        assert roles[batch].count("replicate") >= 1
        assert "baseline" not in roles[batch]
    assert roles[2] == ["exploit", "exploit", "replicate", "replicate"]


def test_next_parent_is_the_parent_of_the_same_slot_in_the_next_batch(finished: Callable[[int], Night]) -> None:
    night = finished(4)
    entries = {entry.iteration: entry for entry in parse_log(night.paths.log.read_text())}
    for batch in range(1, 4):
        for now, later in zip(night.history.batch(batch), night.history.batch(batch + 1), strict=True):
            assert entries[now.planned.iteration].next_parent == later.planned.parent


def test_a_proposal_is_fixed_before_its_run(finished: Callable[[int], Night]) -> None:
    night = finished(3)
    for record in read_records(night.paths.journal):
        if record.type == "batch_planned":
            for fields in record.data["slots"]:
                entry = night.history.iterations[fields["iteration"]].entry
                assert entry is not None
                assert {k: entry[k] for k in ("parent", "role", "mutation", "hypothesis", "parent_rule")} == {
                    k: fields[k] for k in ("parent", "role", "mutation", "hypothesis", "parent_rule")
                }


def test_failed_slots_become_failed_entries_and_the_night_goes_on(tmp_path: Path) -> None:
    often = InlineEngine(SurrogateConfig(failure_share=0.15))
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 12, engine=often)
    failed = [it for it in night.history.iterations.values() if it.result and it.result.failure]
    assert failed, "the surrogate fails now and then; this seed range must hold a failure"
    text = night.paths.log.read_text()
    for iteration in failed:
        assert f"## Iter {iteration.planned.iteration}: failed" in text
    assert night.history.committed == 12


@contextmanager
def stopped_after(records: int) -> Iterator[None]:
    """What is played inside is stopped by `Stop` as soon as it has written so many records."""
    append, left = Journal.append, records

    def counting(self: Journal, *arguments: Any) -> Any:
        nonlocal left
        record = append(self, *arguments)
        left -= 1
        if left == 0:
            raise Stop
        return record

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "append", counting)
        with pytest.raises(Stop):
            yield


class Stop(Exception):
    """The driver dies here."""


def test_stopped_at_any_record_and_run_again_the_files_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    monkeypatch.setattr(Derived, "draw", lambda self: None)  # the picture would take most of the time
    play(file, tmp_path / "whole", 3)
    want = contents(tmp_path / "whole")
    total = sum(1 for _ in read_records(tmp_path / "whole" / "journal.jsonl"))
    for stop in range(1, total):
        root = tmp_path / f"stopped{stop}"
        with stopped_after(stop):
            play(file, root, 3)
        play(file, root, 3)
        assert contents(root) == want, f"stopped after record {stop}"


class Faulty:
    """Spoils the first replies of each conversation, then answers like the mock."""

    def __init__(self, spoil: Callable[[str], str], times: int) -> None:
        self.spoil, self.times, self.mock = spoil, times, MockLLM()

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        good = self.mock.complete(prompt, schema)
        if len(prompt.turns) // 2 >= self.times:
            return good
        return Completion(text=self.spoil(good.text), stop_reason="end_turn", model="faulty")


def break_rule(text: str) -> str:
    reply = json.loads(text)
    reply["slot_1"]["proposal"]["edits"] = [{"key": "training.learning_rate_start", "value": 0.5}]
    return json.dumps(reply)


@pytest.mark.parametrize("spoil", [lambda text: "no", lambda text: text[: len(text) // 2], break_rule])
def test_a_bad_reply_is_sent_back_and_mended(tmp_path: Path, spoil: Callable[[str], str]) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    night = play(file, tmp_path / "r", 2, Faulty(spoil, 1))
    kinds = [record.type for record in read_records(night.paths.journal)]
    assert kinds.count("reply_rejected") == 3
    assert kinds.count("reply_received") == 6
    play(file, tmp_path / "clean", 2)
    assert contents(tmp_path / "r") == contents(tmp_path / "clean")


def test_a_model_that_never_learns_is_replaced_slot_by_slot(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    night = play(file, tmp_path / "r", 4, Faulty(break_rule, 99))
    for batch in range(2, 5):
        roles = [it.planned.role for it in night.history.batch(batch)]
        assert roles[1] == "fallback"
        assert "fallback" not in (roles[0], roles[2], roles[3])
    file = write_campaign(tmp_path / "c.yaml", claude={"max_fallback_batches": 9})
    night = play(file, tmp_path / "dumb", 4, Faulty(lambda text: "", 99))
    assert [it.planned.role for it in night.history.batch(3)] == ["fallback"] * 4
    assert night.history.committed == 4


def test_hand_edited_log_is_kept_aside_and_written_anew(campaign_file: Path, tmp_path: Path) -> None:
    root = tmp_path / "r"
    play(campaign_file, root, 2)
    want = (root / "analysis.md").read_text()
    (root / "analysis.md").write_text(want.replace("Iter 3", "Iter 33"))
    play(campaign_file, root, 2)
    assert (root / "analysis.md").read_text() == want
    kept = list(root.glob("analysis.md.changed-*"))
    assert len(kept) == 1
    assert "Iter 33" in kept[0].read_text()


def test_another_campaign_a_changed_one_and_a_second_driver_are_refused(campaign_file: Path, tmp_path: Path) -> None:
    root = tmp_path / "r"
    play(campaign_file, root, 1)
    before = contents(root) | {"j": (root / "journal.jsonl").read_bytes()}
    other = write_campaign(tmp_path / "other.yaml", name="other")
    with pytest.raises(RunError, match="holds a run of campaign surrogate"):
        open_night(other, root, True)
    changed = write_campaign(tmp_path / "changed.yaml", policy={"max_changes": 1})
    with pytest.raises(RunError, match=r"policy\.max_changes differs"):
        open_night(changed, root, True)
    with pytest.raises(RunError, match="a dry run"):
        open_night(campaign_file, root, False)
    night = open_night(campaign_file, root, True)
    with pytest.raises(RunError, match="another driver"):
        open_night(campaign_file, root, True)
    night.close()
    assert contents(root) | {"j": (root / "journal.jsonl").read_bytes()} == before
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="no nightfly run"):
        open_night(campaign_file, strange, True)
    assert [entry.name for entry in strange.iterdir()] == ["thesis.tex"]


def test_every_slot_config_on_disk_is_what_the_journal_planned(finished: Callable[[int], Night]) -> None:
    night = finished(3)
    for iteration in night.history.iterations.values():
        tree = read_yaml(night.paths.slot(iteration.planned.iteration).config)
        config = validate(SlotConfig, tree, "slot")
        assert config.hash() == iteration.planned.config_hash
        assert config.dataset == f"surrogate_{iteration.planned.slot:02d}"
        job = json.loads(night.paths.slot(iteration.planned.iteration).job.read_bytes())
        assert job["dataset"] == config.dataset
