"""Nights in which a slot ends early: a replicate that is owed begins in its place, as a slot of the next batch."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, LLMClient, LLMUnavailable, Prompt
from agent.commands.rebuild import rebuild
from agent.night import ahead, harvest
from agent.night.derived import Derived
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.replay.whole_run import replay_run
from state.campaign import load_campaign
from state.config import SlotConfig
from state.evening import Budget
from state.files import read_yaml, write_atomic
from state.journal import Record, read_records
from state.paths import SlotPaths
from state.records import SlotResult
from state.schema import validate
from state.surrogate import SurrogateConfig
from tests.agent.conftest import write_campaign
from tests.agent.night.test_loop import contents, stopped_after
from trainer.engines.contract import Ended, Job
from trainer.engines.surrogate import surrogate_result

LONG = 40  # polls


@dataclass
class Paced:
    """Slots of the surrogate that take so many polls each, by iteration; -N: it crashes after N polls.

    ``places`` at once, the others wait; nothing outlives it. ``most``: how many trained at the same time.
    """

    polls: Mapping[int, int]
    places: int = 4
    most: int = 0
    _running: list[tuple[Job, SlotResult, int]] = field(default_factory=list)
    _now: int = 0

    def submit(self, jobs: list[Job]) -> list[Job]:
        for job in jobs:
            paths = SlotPaths(job.folder)
            paths.result.unlink(missing_ok=True)
            config = validate(SlotConfig, read_yaml(paths.config), "slot")
            result = surrogate_result(config, job.run_id, SurrogateConfig(failure_share=0.0))
            self._running.append((job, result, self._now + abs(self.polls.get(int(job.folder.name), LONG))))
        self.most = max(self.most, len(self._running))
        return jobs

    def poll(self) -> tuple[list[Job], list[Ended]]:
        self._now += 1
        over = [one for one in self._running if one[2] <= self._now]
        self._running = [one for one in self._running if one[2] > self._now]
        ended = []
        for job, result, _ in over:
            crashes = self.polls.get(int(job.folder.name), LONG) < 0
            if not crashes:
                write_atomic(SlotPaths(job.folder).result, result.model_dump_json() + "\n")
            ended.append(Ended(job, 1 if crashes else 0))
        return [], ended

    def cancel(self, run_id: str) -> None:
        raise NotImplementedError

    def reattach(self, jobs: list[Job]) -> list[Job]:
        assert not {job.run_id for job in jobs} & {one[0].run_id for one in self._running}
        return []

    def close(self) -> None:
        self._running.clear()


def at_once(patch: pytest.MonkeyPatch) -> None:
    """Polls follow each other at once, and a first failure is believed at once."""
    patch.setattr(harvest, "POLL_S", 0.0)
    patch.setattr(ahead, "LOOK_S", 0.0)
    patch.setattr(ahead, "ALIKE_S", -1.0)
    patch.setattr(Derived, "draw", lambda self: None)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)


def campaign(path: Path, fill: str | None = "on", **policy: object) -> Path:
    return write_campaign(path, policy={} if fill is None else {"fill_idle": fill, **policy})


def play(
    file: Path,
    root: Path,
    polls: Mapping[int, int],
    batches: int,
    budget: Budget | None = None,
    llm: LLMClient | None = None,
    engine: Paced | None = None,
) -> Night:
    """Run ``batches`` in all; ``budget`` is what the journal says of them."""
    budget = budget or Budget(max_batches=batches)
    night = open_night(file, root, dry_run=True)
    try:
        night.record("driver_started", {"budget": budget.model_dump(), "slots_at_once": 4})
        run_night(night, llm or MockLLM(), engine or Paced(polls), lambda *_: None, Budget(max_batches=batches))
        night.derived.flush()
    finally:
        night.close()
    return night


def of(root: Path, kind: str) -> list[Record]:
    return [record for record in read_records(root / "journal.jsonl") if record.type == kind]


# Iteration 6 (slot 1 of batch 2, a new config) ends long before the others; 11 (slot 2 of batch 3) crashes.
EARLY = {6: 3, 11: -2}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    root = tmp_path_factory.mktemp("ahead")
    with pytest.MonkeyPatch.context() as patch:
        at_once(patch)
        return play(campaign(root / "c.yaml"), root / "r", EARLY, 5)


def places_of(records: list[Record]) -> dict[tuple[str, int], int]:
    """(type, iteration) -> place in the journal, of each first record about an iteration."""
    found: dict[tuple[str, int], int] = {}
    for record in records:
        number = record.data.get("iteration") or (record.data.get("slot") or {}).get("iteration", 0)
        found.setdefault((record.type, number), record.seq)
    return found


def test_a_replicate_begins_while_the_others_train_and_belongs_to_the_next_batch(night: Night) -> None:
    records = list(read_records(night.paths.journal))
    place, root = places_of(records), night.paths.root
    early, crashed = of(root, "slot_planned")[:2]
    # Of a run that ended well the place is filled at once, and the result waits for the run's own batch.
    assert (early.batch, early.data["slot"]["batch"], early.data["slot"]["slot"]) == (2, 3, 1)
    assert early.data["slot"]["iteration"] == 10
    assert early.data["slot"]["role"] == "replicate"
    assert early.data["ended"] == [6]
    order = [("slot_finished", 6), ("slot_planned", 10), ("slot_started", 10), ("slot_finished", 5)]
    assert sorted(order, key=lambda one: place[one]) == order
    planned = {record.batch: record.seq for record in records if record.type == "batch_planned"}
    assert place["slot_started", 10] < planned[3] < place["slot_finished", 10] < planned[4]
    # A crash is held back until it is known that not all slots fail; its place is filled meanwhile.
    assert (crashed.batch, crashed.data["slot"]["slot"], crashed.data["ended"]) == (3, 2, [11])
    assert place["slot_started", 15] < place["slot_failed", 11] < planned[4]
    assert [it.attempts for it in night.history.iterations.values()] == [1] * 20
    assert night.history.batch(3)[1].planned.model_dump(mode="json") == early.data["slot"]
    assert not night.history.ahead


def test_the_night_has_its_count_and_replays_and_is_rebuilt(night: Night) -> None:
    assert night.history.committed == 5
    assert list(night.history.iterations) == list(range(1, 21))
    assert not [record for record in of(night.paths.root, "slot_planned") if record.batch == 5]
    assert replay_run(night.paths.root).passed
    want = contents(night.paths.root)
    for name in ("analysis.md", "memory.md", "ucb_scores.txt"):
        (night.paths.root / name).unlink()
    rebuild(night.paths.root)
    assert contents(night.paths.root) == want


def test_each_place_is_used_once_and_no_more_replicates_run_ahead_than_the_batch_owes(tmp_path: Path) -> None:
    engine = Paced({n: 3 for n in range(5, 40) if n % 4 != 1})
    play(campaign(tmp_path / "c.yaml"), tmp_path / "r", {}, 5, engine=engine)
    assert engine.most == 4
    many = Counter(record.data["slot"]["batch"] for record in of(tmp_path / "r", "slot_planned"))
    assert max(many.values()) == 2
    assert replay_run(tmp_path / "r").passed


def test_claude_is_told_which_slot_is_taken_and_asked_for_the_others(night: Night) -> None:
    prompts = [record for record in of(night.paths.root, "prompt_rendered") if record.data["kind"] == "batch"]
    text = night.blobs.text(next(record.data["text"] for record in prompts if record.batch == 2))
    demand = text[text.index("# What the next batch must hold") : text.index("Barred as parents")]
    assert "Taken: slot 1" in demand
    assert "iteration 10, a run of C3, parent 6, simulation seed 1010" in demand
    assert "Of the other slots at least 1 have role replicate" in demand
    assert "- C3: 1 more run\n" in demand, "one of the two that it lacks runs already"
    # The unfinished run stands nowhere else.
    assert "| 10 |" not in text
    assert "iteration 10" not in text.replace(demand, "")
    accepted = next(record.data for record in of(night.paths.root, "reply_accepted") if record.batch == 2)
    assert accepted["fallbacks"] == {}
    assert accepted["proposals"][1]["parent_rule"].startswith("run ahead by the program in an idle place: C3")
    roles = [it.planned.role for it in night.history.batch(3)]
    assert roles == ["exploit", "replicate", "exploit", "replicate"]


def test_what_is_proposed_for_a_taken_slot_is_not_looked_at(tmp_path: Path) -> None:
    class Careless(MockLLM):
        def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
            completion = super().complete(prompt, schema)
            reply = json.loads(completion.text)
            for one in prompt.context.demand.ahead:
                reply[f"slot_{one.slot}"]["proposal"] |= {"parent": 9999, "role": "explore"}
            return replace(completion, text=json.dumps(reply))

    night = play(campaign(tmp_path / "c.yaml"), tmp_path / "r", EARLY, 3, llm=Careless())
    assert not of(tmp_path / "r", "reply_rejected")
    assert night.history.batch(3)[1].planned.role == "replicate"


def test_without_an_answer_the_taken_slot_keeps_its_run(tmp_path: Path) -> None:
    class Silent(MockLLM):
        def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
            if prompt.context.batch == 2:
                raise LLMUnavailable("nobody answers")
            return super().complete(prompt, schema)

    night = play(campaign(tmp_path / "c.yaml"), tmp_path / "r", EARLY, 3, llm=Silent())
    assert [it.planned.role for it in night.history.batch(3)] == ["fallback", "replicate", "fallback", "fallback"]
    assert night.history.useless == 0
    assert replay_run(tmp_path / "r").passed


def test_off_is_the_default_and_changes_nothing(tmp_path: Path) -> None:
    off = play(campaign(tmp_path / "a.yaml", "off"), tmp_path / "a", EARLY, 3)
    plain = play(campaign(tmp_path / "b.yaml", None), tmp_path / "b", EARLY, 3)
    assert not of(tmp_path / "a", "slot_planned")
    assert contents(off.paths.root) == contents(plain.paths.root)
    identities = [load_campaign(tmp_path / name).identity() for name in ("a.yaml", "b.yaml")]
    assert identities[0] == identities[1] != load_campaign(campaign(tmp_path / "on.yaml")).identity()


@pytest.mark.parametrize("batch", [2, 3])
def test_stopped_at_any_record_and_run_again_the_files_are_the_same(tmp_path: Path, batch: int) -> None:
    # What is begun ahead is done before its batch begins, so that its end is as early in a night that goes on later.
    polls = EARLY | {10: 5, 14: 5, 15: 5}
    file = campaign(tmp_path / "c.yaml")
    play(file, tmp_path / "before", polls, batch - 1, Budget(max_batches=4))
    shutil.copytree(tmp_path / "before", tmp_path / "whole")
    play(file, tmp_path / "whole", polls, 4)
    began = len(list(read_records(tmp_path / "before" / "journal.jsonl")))
    records = list(read_records(tmp_path / "whole" / "journal.jsonl"))[began:]
    assert [record.batch for record in records if record.type == "slot_planned"][0] == batch
    want = contents(tmp_path / "whole")
    for stop in range(1, sum(record.batch <= batch + 1 for record in records)):
        root = tmp_path / f"stopped{stop}"
        shutil.copytree(tmp_path / "before", root)
        with stopped_after(stop):
            play(file, root, polls, 4)
        play(file, root, polls, 4)
        assert contents(root) == want, f"stopped after record {stop}"
        assert replay_run(root).passed
        shutil.rmtree(root)
