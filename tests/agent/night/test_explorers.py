"""Nights with a control arm: slots of another explorer, which sees its own runs and the baseline's alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.briefing.context import build_context
from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, Prompt
from agent.commands.doctor import explorers
from agent.explorers.choose import make_explorer, refuse_control
from agent.guard.reply import ALL_ASKED, Asked, asked_of, parse_reply
from agent.ledger.open_run import open_run
from agent.night.ask import read_reply
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.replay.whole_run import replay_run
from state.campaign import load_campaign
from state.errors import ConfigError, UserError
from state.evening import Budget
from state.explorer import Explorer
from state.files import canonical_json, sha256
from state.journal import Record, read_records
from state.records import CONTROL_ROLE, SlotResult
from tests.agent.conftest import write_campaign
from trainer.engines.contract import Ended, Job
from trainer.engines.inline import InlineEngine
from ucb.log import parse_log

BATCHES = 6
KINDS: tuple[Explorer, ...] = ("tpe", "random", "rules")


def campaign_of(folder: Path, kind: str = "tpe", slots: int = 1, **changes: Any) -> Path:
    control = {"explorer": kind, "slots": slots}
    return write_campaign(folder / "c.yaml", seeds={"explorer": 7}, control=control, **changes)


def play(file: Path, root: Path, batches: int = BATCHES, llm: Any = None, engine: Any = None) -> Night:
    night = open_night(file, root, dry_run=True)
    try:
        engine = engine or InlineEngine(night.campaign.surrogate)
        run_night(night, llm or MockLLM(), engine, lambda *_: None, Budget(max_batches=batches))
        night.derived.flush()
    finally:
        night.close()
    return night


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> dict[Explorer, Night]:
    root = tmp_path_factory.mktemp("control")
    return {kind: play(campaign_of(root / kind, kind), root / kind / "run") for kind in KINDS}


def controls(night: Night) -> list[Any]:
    return [it.planned for it in night.history.iterations.values() if it.planned.role == CONTROL_ROLE]


def faults(root: Path) -> list[str]:
    outcome = replay_run(root)
    return [*outcome.faults, *(fault for one in outcome.batches.values() for fault in one.faults)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_exploit_slot_is_its_own_and_replays(nights: dict[Explorer, Night], kind: Explorer) -> None:
    night = nights[kind]
    plans = controls(night)
    assert [(plan.batch, plan.slot) for plan in plans] == [(batch, 1) for batch in range(2, BATCHES + 1)]
    assert [plan.config_id for plan in plans] == [f"K{n}" for n in range(1, BATCHES)]
    assert all(len(plan.changes) == 1 for plan in plans)
    title = {"tpe": "proposed by TPE, seed 7: ", "random": "proposed by random search, seed 7: ", "rules": "UCB "}[kind]
    assert all(plan.parent_rule.startswith(f"control arm: {title}") for plan in plans)
    records = list(read_records(night.paths.journal))
    accepted = [record.data for record in records if record.type == "reply_accepted"]
    assert all((data["fallbacks"], data["warnings"]) == ({}, []) for data in accepted)
    assert "reply_rejected" not in [record.type for record in records]
    assert faults(night.paths.root) == []


@pytest.mark.parametrize("kind", KINDS)
def test_its_parents_are_the_baselines_nodes_and_its_own(nights: dict[Explorer, Night], kind: Explorer) -> None:
    plans = {it.planned.iteration: it.planned for it in nights[kind].history.iterations.values()}
    for plan in plans.values():
        if plan.parent is None:
            continue
        of_control = plans[plan.parent].role == CONTROL_ROLE
        if plan.role == CONTROL_ROLE:
            assert of_control or plans[plan.parent].role == "baseline"
        else:
            assert not of_control


def test_it_is_in_no_table_score_noise_or_trial(nights: dict[Explorer, Night]) -> None:
    night = nights["tpe"]
    views, mine = night.views, {plan.iteration for plan in controls(night)}
    assert not [name for name in views.table.names() if name.startswith("K")]
    assert not {run.iteration for name in views.table.names() for run in views.table[name].runs} & mine
    last = views.block(night.history.last_node).number
    assert not {score.node for number in range(1, last + 1) for score in views.scores(number).scores} & mine
    assert set(views.control.names()) == {"C1", *(plan.config_id for plan in controls(night))}
    assert {run.iteration for run in views.control["C1"].runs} == {1, 2, 3, 4}


class Listening(MockLLM):
    """Keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[Prompt] = []
        self.schemas: list[dict[str, Any]] = []

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        self.prompts.append(prompt)
        self.schemas.append(schema)
        return super().complete(prompt, schema)


def test_claude_is_told_of_the_slot_and_of_nothing_that_ran_there(tmp_path: Path) -> None:
    llm = Listening()
    night = play(campaign_of(tmp_path), tmp_path / "run", 3, llm)
    start, first, second, third = llm.prompts
    assert "After the baseline a control arm has slot 1 of every batch: TPE proposes there," in start.system
    assert "control arm" not in start.text
    assert "Of the control arm, not yours: slot 1." in first.text
    of_control = night.history.iterations[6]
    assert of_control.planned.role == CONTROL_ROLE
    assert of_control.result is not None
    figure = f"{of_control.result.metrics['connectivity_R2']:.3f}"
    for prompt in (second, third):
        assert "iteration 6" not in prompt.text
        assert "K1" not in prompt.text
        assert figure not in prompt.text
        assert "| 6 | C" not in prompt.text
    slots = [set(schema["properties"]) & {f"slot_{n}" for n in range(4)} for schema in llm.schemas]
    assert [sorted(some) for some in slots[:2]] == [["slot_0", "slot_1", "slot_2", "slot_3"]] * 2
    assert sorted(slots[2]) == ["slot_0", "slot_2", "slot_3"]
    assert "proposal" not in llm.schemas[1]["$defs"]["SlotJudged"]["properties"]


class Meddling(MockLLM):
    """Proposes and judges for the control arm as well, and names its nodes as parents."""

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        done = super().complete(prompt, schema)
        reply = json.loads(done.text)
        if prompt.context.control_runs:
            reply["slot_1"] = {"proposal": reply["slot_0"]["proposal"], "entry": "nonsense"}
        return Completion(text=json.dumps(reply), stop_reason="end_turn", model=self.model)


def test_what_claude_says_of_the_slot_is_not_looked_at(nights: dict[Explorer, Night], tmp_path: Path) -> None:
    night = play(campaign_of(tmp_path), tmp_path / "run", BATCHES, Meddling())
    assert controls(night) == controls(nights["tpe"])
    assert "reply_rejected" not in [record.type for record in read_records(night.paths.journal)]


def test_a_node_of_the_control_is_nobodys_parent(nights: dict[Explorer, Night]) -> None:
    night = nights["tpe"]
    context, node = build_context(night), controls(night)[0].iteration
    reply = json.loads(MockLLM().complete(Prompt("", "", context), {}).text)
    reply["slot_2"]["proposal"]["parent"] = node
    _, ruling = read_reply(night, context, json.dumps(reply))
    assert [(one.code, one.slot) for one in ruling.violations] == [("parent_control", 2)]
    assert f"found {node}, a run of the control arm" in ruling.violations[0].sentence()


def test_two_replicates_are_asked_of_the_slots_that_are_left(nights: dict[Explorer, Night]) -> None:
    night = play_until(nights["tpe"])
    context = build_context(night)
    assert (context.demand.min_replicates, context.demand.control) == (2, [1])
    reply = json.loads(MockLLM().complete(Prompt("", "", context), {}).text)
    reply["slot_2"]["proposal"] |= {
        "role": "exploit",
        "edits": [{"key": "training.n_epochs", "value": 3}],
        "parent": 1,
        "mutation": "n_epochs: 2 -> 3",
    }
    _, ruling = read_reply(night, context, json.dumps(reply))
    assert "too_few_replicates" in [one.code for one in ruling.violations]


def play_until(night: Night) -> Any:
    """The ledger of ``night`` as it was when the first batch with a control arm was to be proposed."""
    run = open_run(night.paths.root)
    ledger = run.new_ledger()
    for record in read_records(night.paths.journal):
        if record.type == "prompt_rendered" and record.batch == 1:
            break
        ledger.fold(record)
    return ledger


class Changed(InlineEngine):
    """Adds to every metric of the slots that are not the control's, after the baseline."""

    def poll(self) -> tuple[list[Job], list[Ended]]:
        running, ended = super().poll()
        for one in ended:
            number = int(one.job.run_id.rpartition(".a")[0].rpartition(".")[2])
            if number > 4 and number % 4 != 2:
                path = one.job.folder / "result.json"
                result = SlotResult.model_validate_json(path.read_text())
                metrics = {key: value and value * 0.5 for key, value in result.metrics.items()}
                path.write_text(result.model_copy(update={"metrics": metrics}).model_dump_json())
        return running, ended


@pytest.mark.parametrize("kind", KINDS)
def test_it_sees_its_own_history_alone(nights: dict[Explorer, Night], tmp_path: Path, kind: Explorer) -> None:
    other = play(campaign_of(tmp_path, kind), tmp_path / "run", engine=Changed())
    mine = {it.planned.iteration: it for it in nights[kind].history.iterations.values()}
    changed = [n for n, it in other.history.iterations.items() if it.result.metrics != mine[n].result.metrics]
    assert 5 in changed
    assert [plan.changes for plan in controls(other)] == [plan.changes for plan in controls(nights[kind])]
    assert [plan.parent for plan in controls(other)] == [plan.parent for plan in controls(nights[kind])]


def test_the_other_explorer_proposes_what_it_would_have_without(nights: dict[Explorer, Night]) -> None:
    mine = [it.planned for it in nights["tpe"].history.iterations.values() if it.planned.slot == 0]
    others = [it.planned for it in nights["random"].history.iterations.values() if it.planned.slot == 0]
    assert [plan.changes for plan in mine] == [plan.changes for plan in others]


class Killed(Exception):
    """Stands for a kill of the driver."""


def stop_after(seq: int) -> Callable[[Record], None]:
    def observe(record: Record) -> None:
        if record.seq == seq:
            raise Killed

    return observe


def test_a_kill_within_a_batch_changes_nothing(nights: dict[Explorer, Night], tmp_path: Path) -> None:
    whole = nights["tpe"]
    told = list(read_records(whole.paths.journal))
    kinds = ("explorer_asked", "reply_accepted", "batch_committed")
    stops = [record.seq for record in told if record.batch == 3 and record.type in kinds]
    file, root = campaign_of(tmp_path), tmp_path / "run"
    for seq in stops:
        night = open_night(file, root, dry_run=True)
        night.observers.append(stop_after(seq))
        try:
            with pytest.raises(Killed):
                run_night(night, MockLLM(), InlineEngine(), lambda *_: None, Budget(max_batches=BATCHES))
        finally:
            night.close()
    night = play(file, root)
    assert [plan.changes for plan in controls(night)] == [plan.changes for plan in controls(whole)]
    for name in ("log", "memory", "scores"):
        assert getattr(night.paths, name).read_bytes() == getattr(whole.paths, name).read_bytes()
    assert faults(root) == []


def test_entries_of_the_control_are_the_programs_and_stand_in_the_log(nights: dict[Explorer, Night]) -> None:
    night = nights["tpe"]
    entries = parse_log(night.paths.log.read_text())
    assert [entry.iteration for entry in entries] == list(range(1, 4 * BATCHES + 1))
    of_control = [entry for entry in entries if entry.role == CONTROL_ROLE]
    assert len(of_control) == BATCHES - 1
    for entry in of_control:
        assert entry.verdict == "inconclusive"
        assert entry.embedding == "not looked at: TPE, seed 7 reads figures only"
        assert "(the baseline's runs: " in entry.observation


def forged(night: Night, root: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of ``night`` whose journal has other data in each `explorer_asked`, with hashes that are right."""
    shutil.copytree(night.paths.root, root)
    records, prev = list(read_records(night.paths.journal)), None
    with (root / "journal.jsonl").open("w") as file:
        for record in records:
            data = json.loads(json.dumps(record.data))
            if record.type == "explorer_asked":
                change(data)
            body = record.model_dump(exclude={"hash"}) | {"data": data, "prev": prev}
            prev = sha256(canonical_json(body).encode())
            file.write(canonical_json(body | {"hash": prev}) + "\n")
    return root


def test_a_forged_proposal_is_found(nights: dict[Explorer, Night], tmp_path: Path) -> None:
    root = forged(nights["random"], tmp_path / "run", lambda data: data["control"]["1"].update(training_seed=9))
    found = faults(root)
    assert "(explorer_asked): control.1.training_seed: recorded 9, the replay gives 500006" in found[0]


def test_samplers_of_another_version_are_believed(
    nights: dict[Explorer, Night], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("agent.explorers.sampler.wish", lambda *given: pytest.fail("asked"))
    root = forged(nights["random"], tmp_path / "run", lambda data: data["libraries"].update(optuna="0.1"))
    assert faults(root) == []


@pytest.mark.parametrize(
    ("control", "more", "words"),
    [
        ({"explorer": "claude"}, {}, "control.explorer"),
        ({"explorer": "tpe", "slot": 1}, {}, "control.slot"),
        ({"explorer": "tpe", "slots": 0}, {}, "control.slots"),
        ({"explorer": "tpe", "slots": 2}, {}, "lower control.slots to at most 1, or raise n_parallel"),
        ({"explorer": "tpe"}, {"policy": {"min_replicates": 3}}, "lower policy.min_replicates, or raise n_parallel"),
        ({"explorer": "tpe"}, {"policy": {"design": "one_change"}}, "set policy.design to roles, or remove control"),
        ("tpe", {}, "control"),
    ],
)
def test_bad_sections_are_one_sentence(tmp_path: Path, control: Any, more: dict[str, Any], words: str) -> None:
    file = write_campaign(tmp_path / "c.yaml", **more, control=control)
    with pytest.raises(ConfigError) as error:
        load_campaign(file)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_without_optuna_it_is_said_before_the_night(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("agent.explorers.choose.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"control.explorer tpe needs Optuna.*or choose rules"):
        refuse_control(load_campaign(campaign_of(tmp_path)))
    refuse_control(load_campaign(campaign_of(tmp_path, "rules")))
    campaign = load_campaign(campaign_of(tmp_path, "tpe"))
    assert [(found.check, found.ok) for found in explorers(campaign, tmp_path)] == [("explorers", False)]


def test_the_doctor_names_what_it_looked_for(tmp_path: Path) -> None:
    found = explorers(load_campaign(campaign_of(tmp_path, "tpe", hints="gp")), tmp_path)
    assert [one.message.partition(":")[0] for one in found] == ["hints gp", "control.explorer tpe"]
    assert explorers(load_campaign(write_campaign(tmp_path / "plain.yaml")), tmp_path) == []


def test_more_slots_and_another_explorer_of_the_night(tmp_path: Path) -> None:
    file = campaign_of(tmp_path, "random", 2, search={"n_parallel": 6, "n_iter_block": 12}, policy={"baseline_runs": 6})
    night = open_night(file, tmp_path / "run", dry_run=False, explorer="tpe")
    try:
        engine = InlineEngine(night.campaign.surrogate)
        run_night(night, make_explorer(night.campaign, "tpe"), engine, lambda *_: None, Budget(max_batches=4))
        night.derived.flush()
    finally:
        night.close()
    assert {plan.slot for plan in controls(night)} == {2, 3}
    assert len({plan.config_id for plan in controls(night)}) == 6
    assert faults(night.paths.root) == []


def test_a_campaign_without_one_is_as_it_was(tmp_path: Path) -> None:
    plain = load_campaign(write_campaign(tmp_path / "c.yaml"))
    assert "control" not in plain.shaping()
    assert plain.control_slots == []
    with_one = load_campaign(campaign_of(tmp_path / "b"))
    assert with_one.identity() != plain.identity()
    context = build_context(play(write_campaign(tmp_path / "d.yaml"), tmp_path / "run", 2))
    assert asked_of(plain, context).without == ALL_ASKED
    assert asked_of(plain, context.model_copy(update={"kind": "start"})).without == ALL_ASKED
    assert parse_reply(MockLLM().complete(Prompt("", "", context), {}).text, Asked(4, False)).proposals[1] is not None
