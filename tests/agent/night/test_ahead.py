"""Nights in which a slot ends early: a replicate that is owed begins in its place, as a slot of the next batch."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from rich.console import Console

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, LLMClient, LLMUnavailable, Prompt
from agent.commands.rebuild import rebuild
from agent.commands.status import describe, read_run
from agent.ledger.ledger import Ledger
from agent.ledger.waiting import CLAUDE, SLOWEST, Waiting
from agent.night import ahead, harvest, standstill
from agent.night.derived import Derived, read_ledger
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.night.plan import plan_batch
from agent.people.progress import in_hand
from agent.people.slot_table import slot_table
from agent.replay.whole_run import replay_run
from agent.report.write import write_report
from state.campaign import load_campaign
from state.config import SlotConfig
from state.errors import ConfigError, Standstill
from state.evening import Budget
from state.files import canonical_json, read_yaml, write_atomic
from state.history import History
from state.journal import Record, chain_hash, read_records
from state.paths import RunPaths, SlotPaths
from state.records import SlotResult
from state.schema import validate
from state.shapes import ReplyAccepted, why_useless
from state.surrogate import SurrogateConfig
from tests.agent.conftest import write_campaign
from tests.agent.night.test_loop import contents, stopped_after
from trainer.engines.contract import Ended, Job
from trainer.engines.surrogate import surrogate_result

LONG = 12  # polls


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
    assert "Of the other slots at least 1 has role replicate" in demand
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


def test_where_nothing_of_a_reply_is_accepted_the_taken_slot_is_no_use_of_it(tmp_path: Path) -> None:
    class Stubborn(MockLLM):
        def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
            completion = super().complete(prompt, schema)
            reply = json.loads(completion.text)
            for slot in range(4 if prompt.context.batch == 2 else 0):
                reply[f"slot_{slot}"]["proposal"]["parent"] = 9999
            return replace(completion, text=json.dumps(reply))

    night = play(campaign(tmp_path / "c.yaml"), tmp_path / "r", EARLY, 3, llm=Stubborn())
    assert [it.planned.role for it in night.history.batch(3)] == ["fallback", "replicate", "fallback", "fallback"]
    accepted = next(record.data for record in of(tmp_path / "r", "reply_accepted") if record.batch == 2)
    assert "parent" in why_useless(ReplyAccepted(**accepted))
    assert replay_run(tmp_path / "r").passed


def test_without_an_answer_the_taken_slot_keeps_its_run(tmp_path: Path) -> None:
    class Silent(MockLLM):
        def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
            if prompt.context.batch == 2:
                raise LLMUnavailable("nobody answers", fatal=False)
            return super().complete(prompt, schema)

    file = write_campaign(tmp_path / "c.yaml", policy={"fill_idle": "on"}, claude={"max_fallback_batches": 1})
    night = play(file, tmp_path / "r", EARLY, 3, llm=Silent())
    assert [it.planned.role for it in night.history.batch(3)] == ["fallback", "replicate", "fallback", "fallback"]
    accepted = next(record.data for record in of(tmp_path / "r", "reply_accepted") if record.batch == 2)
    assert why_useless(ReplyAccepted(**accepted)), "the program's own run is no use of Claude"
    assert replay_run(tmp_path / "r").passed


def test_off_is_the_default_and_changes_nothing(tmp_path: Path) -> None:
    off = play(campaign(tmp_path / "a.yaml", "off"), tmp_path / "a", EARLY, 3)
    plain = play(campaign(tmp_path / "b.yaml", None), tmp_path / "b", EARLY, 3)
    assert not of(tmp_path / "a", "slot_planned")
    assert contents(off.paths.root) == contents(plain.paths.root)
    identities = [load_campaign(tmp_path / name).identity() for name in ("a.yaml", "b.yaml")]
    assert identities[0] == identities[1] != load_campaign(campaign(tmp_path / "on.yaml")).identity()


@pytest.mark.parametrize("key", ["fill_idle", "cut"])
@pytest.mark.parametrize(("word", "means"), [("on", "on"), ("off", "off"), ("'on'", "on"), ("true", "on")])
def test_a_bare_word_of_yaml_is_what_it_says(tmp_path: Path, key: str, word: str, means: str) -> None:
    file = campaign(tmp_path / "c.yaml", None)
    file.write_text(file.read_text().replace("policy:\n", f"policy:\n  {key}: {word}\n"))
    assert getattr(load_campaign(file).policy, key) == means
    file.write_text(file.read_text().replace(f"{key}: {word}", f"{key}: sometimes"))
    with pytest.raises(ConfigError, match=f"policy.{key} is 'sometimes'; input should be 'off' or 'on'"):
        load_campaign(file)


@pytest.mark.parametrize("batch", [2, 3])
def test_stopped_at_any_record_and_run_again_the_files_are_the_same(tmp_path: Path, batch: int) -> None:
    # What is begun ahead is done before its batch begins, so that its end is as early in a night that goes on later.
    polls, file, budget = EARLY | {10: 5, 14: 5, 15: 5}, campaign(tmp_path / "c.yaml"), Budget(max_batches=4)
    play(file, tmp_path / "before", polls, batch - 1, budget)
    shutil.copytree(tmp_path / "before", tmp_path / "whole")
    play(file, tmp_path / "whole", polls, batch + 1, budget)
    kinds = [record.type for record in read_records(tmp_path / "whole" / "journal.jsonl") if record.batch == batch]
    assert kinds.count("slot_planned") == batch - 1
    want = contents(tmp_path / "whole")
    # The first record is that of the driver.
    for stop in range(1, len(kinds) + 1):
        root = tmp_path / f"stopped{stop}"
        shutil.copytree(tmp_path / "before", root)
        with stopped_after(stop):
            play(file, root, polls, batch + 1, budget)
        play(file, root, polls, batch + 1, budget)
        assert contents(root) == want, f"stopped after record {stop}"
        assert replay_run(root, only=batch).passed


def stopped(tmp_path: Path) -> Ledger:
    """A night that was killed when a run had begun ahead of batch 3."""
    file, root = campaign(tmp_path / "c.yaml"), tmp_path / "r"
    play(file, root, EARLY, 1, Budget(max_batches=4))
    with stopped_after(10):
        play(file, root, EARLY, 4)
    assert (root / "slots" / "0010").is_dir()
    return read_ledger(RunPaths(root))[0]


def test_a_run_ahead_is_shown_and_its_folder_belongs_to_it(tmp_path: Path) -> None:
    ledger = stopped(tmp_path)
    root = tmp_path / "r"
    assert [it.planned.iteration for it in ledger.history.ahead.values()] == [10]
    assert list(ledger.history.iterations) == list(range(1, 9))
    shown = describe(*read_run(root))["slots"]
    assert [(row["slot"], row["iteration"], row["ahead"]) for row in shown][-2:] == [(3, 8, 0), (1, 10, 3)]
    console = Console(width=200, file=io.StringIO())
    console.print(slot_table(in_hand(RunPaths(root), ledger.history), console))
    assert "ahead of batch 3" in console.file.getvalue()  # type: ignore[attr-defined]
    page = write_report(root).read_text()
    assert "run 10 (C3 again) ahead of batch 3" in page
    assert replay_run(root).passed
    shutil.copytree(root / "slots" / "0010", root / "slots" / "0011")
    assert any("slots/0011: no record knows of it" in fault for fault in replay_run(root).faults)


def test_a_night_that_is_to_end_begins_nothing_ahead(tmp_path: Path) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat(timespec="seconds")
    file, one = campaign(tmp_path / "c.yaml"), tmp_path / "one"
    play(file, one, EARLY, 1, Budget(max_batches=4))
    for number, budget in enumerate(
        [Budget(max_batches=2), Budget(max_gpu_hours=11.0), Budget(finish_by=soon), Budget(max_batches=3)]
    ):
        root = tmp_path / f"r{number}"
        shutil.copytree(one, root)
        # The driver's own limit is that of `play`, so that batch 2 runs whatever the journal says.
        play(file, root, EARLY, 2, budget)
        assert len(of(root, "slot_planned")) == (number == 3), budget


@pytest.mark.parametrize("asked", ["pause", "stop"])
def test_what_a_person_has_asked_for_is_heard(tmp_path: Path, asked: Literal["pause", "stop"]) -> None:
    file, root = campaign(tmp_path / "c.yaml"), tmp_path / "r"
    play(file, root, EARLY, 1, Budget(max_batches=4))
    night = open_night(file, root, dry_run=True)
    try:
        night.record("driver_started", {"budget": {}, "slots_at_once": 4})
        night.record("user_input_taken", {"kind": asked})
        plan_batch(night)
        harvest.run_slots(night, Paced(EARLY), lambda *_: None)
    finally:
        night.close()
    assert not of(root, "slot_planned")


def test_nothing_begins_beside_slots_that_may_all_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, crashes = campaign(tmp_path / "c.yaml"), {9: -2, 10: -4, 11: -6, 12: -8}
    play(file, tmp_path / "r", EARLY, 2)
    shutil.copytree(tmp_path / "r", tmp_path / "second")
    monkeypatch.setattr(ahead, "ALIKE_S", 60.0)
    with pytest.raises(Standstill, match="all 4 slots of batch 3 failed alike"):
        play(file, tmp_path / "r", crashes, 4)
    assert not of(tmp_path / "r", "slot_planned")
    # After a batch of which all slots failed none is believed before a slot has finished, however long they train.
    monkeypatch.setattr(ahead, "ALIKE_S", -1.0)
    monkeypatch.setattr(standstill, "ALIKE_S", -1.0)
    with pytest.raises(Standstill, match=r"the 2\. such batch in a row"):
        play(file, tmp_path / "second", crashes | {n: -n for n in range(13, 17)}, 5)
    assert {record.batch for record in of(tmp_path / "second", "slot_planned")} <= {3}


def test_of_a_trial_that_has_begun_the_next_confirmation_run_is_made(tmp_path: Path) -> None:
    night = play(campaign(tmp_path / "c.yaml"), tmp_path / "r", {n: 3 for n in range(5, 40) if n % 4 == 2}, 8)
    ran = [record.data["slot"] for record in of(tmp_path / "r", "slot_planned")]
    confirming = [slot for slot in ran if slot["parent_rule"].endswith("is on trial")]
    assert confirming
    first = night.views.confirmations.trials[0]
    for slot in confirming:
        trial = night.views.confirmations.of(slot["config_id"])
        assert trial is not None
        assert trial.expected[slot["iteration"]] == slot["simulation_seed"]
    # Each data seed once, whoever planned its run.
    assert sorted(first.expected.values()) == [1001, 1002, 1003, 1004]
    assert not of(tmp_path / "r", "reply_rejected")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"left_min": 1.0}, "by the rule of today it is not"),
        ({"takes_min": 75.0}, "takes_min"),
        ({"ended": [6, 8], "left_min": 20.0}, "by the rule of today it is not"),
        ({"ended": []}, "its results say otherwise"),
        ({"waits_for": 6}, "waited for although it has ended"),
    ],
)
def test_replay_finds_a_run_ahead_that_does_not_follow(
    night: Night, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    copy = tmp_path / "forged"
    shutil.copytree(night.paths.root, copy)
    path, prev, lines, changed = copy / "journal.jsonl", None, [], False
    for line in path.read_text().splitlines():
        fields = json.loads(line)
        del fields["hash"]
        if fields["type"] == "slot_planned" and not changed:
            fields["data"] |= change
            changed = True
        fields["prev"] = prev
        prev = chain_hash(fields)
        lines.append(canonical_json(fields | {"hash": prev}))
    path.write_text("\n".join(lines) + "\n")
    faults = [fault for batch in replay_run(copy).batches.values() for fault in batch.faults]
    assert any(says in fault for fault in faults), faults


def test_a_place_works_while_a_run_ahead_trains_and_waits_when_it_has_ended(night: Night) -> None:
    """Times made up: four places; batch 2 trains 100 min, slot 1 of it 20; the run ahead then takes 76, Claude 10."""
    begin, history, waiting = datetime(2026, 1, 31, 22, 0, tzinfo=UTC), History(), Waiting()
    minutes = {("slot_finished", 6): 20.0, ("slot_finished", 5): 100.0, ("reply_received", 2): 110.0}
    clock = 0.0
    for record in read_records(night.paths.journal):
        if record.batch > 3 or (record.batch == 3 and record.type == "slot_planned"):
            break
        if record.batch >= 2:
            key = record.data.get("iteration", record.batch)
            clock = max(clock, minutes.get((record.type, key), 0.0))
        told = record.model_copy(update={"time": (begin + timedelta(minutes=clock)).isoformat()})
        history.apply(told)
        waiting.apply(told, history)
    # Not ended yet: its place has worked since 20 min, and did so while Claude thought.
    assert waiting.worked == pytest.approx(60 * (4 * 20 + 4 * 80 + 10))
    assert waiting.waited[SLOWEST] == 0
    assert waiting.waited[CLAUDE] == pytest.approx(60 * 3 * 10)
    ended = next(r for r in of(night.paths.root, "slot_finished") if r.data["iteration"] == 10)
    told = ended.model_copy(update={"time": (begin + timedelta(minutes=clock)).isoformat()})
    history.apply(told)
    waiting.apply(told, history)
    taken = sum(ended.data["result"]["seconds"].values()) / 60
    assert 70 < taken < 80
    # It had ended 110 - 20 - 76 min before: 10 of them Claude's, the rest those of the slowest slot.
    late = 90 - taken
    assert waiting.waited[CLAUDE] == pytest.approx(60 * 4 * 10)
    assert waiting.waited[SLOWEST] == pytest.approx(60 * (late - 10))
    assert waiting.worked == pytest.approx(60 * (4 * 20 + 4 * 80 - (late - 10)))
