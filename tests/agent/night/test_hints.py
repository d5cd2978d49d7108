"""Nights in which a sampler shows the explorer what it would try next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.bench.command import bench, chosen
from agent.briefing.context import build_context
from agent.claude.mock import MockLLM
from agent.commands.run import chosen as chosen_for_run
from agent.explorers.choose import refuse_hints
from agent.ledger.ledger import Ledger
from agent.ledger.open_run import open_run
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.replay.whole_run import replay_run
from prompts.render import render_prompt
from state.campaign import load_campaign
from state.errors import ConfigError, RunError, UserError
from state.evening import Budget
from state.explorer import Choice, Hinter
from state.journal import read_records
from tests.agent.conftest import write_campaign
from tests.agent.night.test_explorers import Killed, faults, stop_after
from trainer.engines.inline import InlineEngine

BATCHES = 6


def campaign_of(folder: Path, **changes: Any) -> Path:
    return write_campaign(folder / "c.yaml", seeds={"explorer": 7}, **changes)


def play(
    file: Path, root: Path, hints: Hinter | None = "tpe", batches: int = BATCHES, kill: int | None = None
) -> Night:
    night = open_night(file, root, True, "rules", hints=hints)
    night.observers += [] if kill is None else [stop_after(kill)]
    try:
        run_night(night, MockLLM(), InlineEngine(), lambda *_: None, Budget(max_batches=batches))
        night.derived.flush()
    finally:
        night.close()
    return night


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    root = tmp_path_factory.mktemp("hints")
    return play(campaign_of(root), root / "run")


def asked(night: Night) -> dict[int, Any]:
    return {r.batch: r.data for r in read_records(night.paths.journal) if r.type == "explorer_asked"}


def until_prompt(night: Night, batch: int) -> Ledger:
    """The ledger of ``night`` as it was when Claude was asked about ``batch``."""
    ledger = open_run(night.paths.root).new_ledger()
    for record in read_records(night.paths.journal):
        if record.type == "prompt_rendered" and record.batch == batch:
            break
        ledger.fold(record)
    return ledger


def test_a_night_with_hints_is_legal_and_replays(night: Night) -> None:
    records = list(read_records(night.paths.journal))
    assert records[0].data["hints"] == "tpe"
    assert sorted(asked(night)) == list(range(1, BATCHES + 1))
    assert "reply_rejected" not in [record.type for record in records]
    assert all(r.data["fallbacks"] == {} for r in records if r.type == "reply_accepted")
    assert faults(night.paths.root) == []


def test_each_hint_is_a_single_new_change_of_a_node_that_has_run(night: Night) -> None:
    for batch in range(1, BATCHES + 1):
        ledger = until_prompt(night, batch)
        context = build_context(ledger)
        known = [ledger.views.config(it).identity() for it in ledger.history.iterations.values()]
        assert [hint.slot for hint in context.hints] == list(range(4 - context.demand.min_replicates))
        for hint in context.hints:
            parent = ledger.views.config(ledger.history.iterations[hint.parent])
            assert parent.flat()[hint.key] == hint.old == hint.values[hint.key]
            assert parent.replaced({hint.key: hint.new}).identity() not in known
        assert len({(hint.parent, hint.key, hint.new) for hint in context.hints}) == len(context.hints)


def test_the_prompt_shows_them_as_suggestions(night: Night) -> None:
    context = build_context(until_prompt(night, 2))
    text, hint = render_prompt(context), context.hints[0]
    assert "Hints of TPE, seed 7, which was told of the same runs" in text
    assert "program's suggestion and no demand" in text
    assert f"| 0 | {hint.parent} ({hint.config_id}) | `{hint.key}`: {hint.old} -> {hint.new} | {hint.why} |" in text
    without = render_prompt(context.model_copy(update={"hints": []}))
    assert "TPE" not in without


def test_the_mock_takes_that_of_its_last_exploit_slot(night: Night) -> None:
    plans = {(it.planned.batch, it.planned.slot): it.planned for it in night.history.iterations.values()}
    for batch, data in asked(night).items():
        if batch == BATCHES:
            continue
        hint = data["hints"][-1]
        plan = plans[batch + 1, hint["slot"]]
        assert plan.parent_rule == f"a hint of TPE, seed 7: {hint['why']}"
        assert plan.changes == {hint["key"]: (hint["old"], hint["new"])}
    others = [plan for (batch, slot), plan in plans.items() if slot == 0 and batch > 1]
    assert all(plan.parent_rule.startswith("UCB") for plan in others)


def test_a_kill_before_and_after_the_sampler_is_asked_changes_nothing(night: Night, tmp_path: Path) -> None:
    file, root = campaign_of(tmp_path), tmp_path / "run"
    for record in read_records(night.paths.journal):
        if record.batch == 3 and record.type in ("explorer_asked", "slot_finished"):
            with pytest.raises(Killed):
                play(file, root, kill=record.seq)
    again = play(file, root)
    assert asked(again) == asked(night)
    assert again.paths.log.read_bytes() == night.paths.log.read_bytes()


def test_absent_hints_change_nothing(night: Night, tmp_path: Path) -> None:
    plain = play(campaign_of(tmp_path), tmp_path / "run", None, 3)
    assert asked(plain) == {}
    assert "hints" not in next(iter(read_records(plain.paths.journal))).data
    context = build_context(until_prompt(plain, 2))
    assert context.hints == []
    assert plain.campaign.identity() == night.campaign.identity()


def test_with_a_control_arm_they_know_nothing_of_its_runs(tmp_path: Path) -> None:
    control = {"explorer": "random"}
    both = play(campaign_of(tmp_path, control=control, hints="tpe"), tmp_path / "run", "tpe", 5)
    assert faults(both.paths.root) == []
    parents = {hint["parent"] for data in asked(both).values() for hint in data["hints"]}
    assert not [n for n in parents if both.history.iterations[n].planned.role == "control"]
    assert {hint["slot"] for hint in asked(both)[1]["hints"]} == {0}


def test_a_run_keeps_its_hints(night: Night, tmp_path: Path) -> None:
    file = campaign_of(tmp_path)
    play(file, tmp_path / "run", "tpe", 1)
    words = "was started as a dry run with hints of TPE and cannot go on as a dry run; start a new run with --new"
    with pytest.raises(RunError, match=words):
        play(file, tmp_path / "run", None, 2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rules+random", "random gives no hints; tpe and gp do: rules+tpe"),
        ("rules+", "nothing gives no hints"),
        ("tpe+gp", "tpe is a sampler itself and takes no hints; claude and rules do"),
        ("cma+tpe", "cma is no explorer; choose of claude, rules"),
        ("rules+tpe,rules+tpe", "names one of them twice"),
    ],
)
def test_bad_names_are_one_sentence(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words.replace("+", r"\+")):
        chosen(name)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hints": "random"}, "hints"),
        ({"hints": "tpe", "explorer": "gp"}, "hints: gp is a sampler itself and takes no hints"),
        ({"hints": "tpe", "policy": {"design": "one_change"}}, "policy.design one_change has no such slots"),
    ],
)
def test_bad_campaigns_are_one_sentence(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_campaign(write_campaign(tmp_path / "c.yaml", **changes))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_what_they_need_is_said_before_the_night(tmp_path: Path, monkeypatch: Any) -> None:
    campaign = load_campaign(write_campaign(tmp_path / "c.yaml", policy={"design": "forced_seeds"}))
    with pytest.raises(UserError, match="hints tpe: a hint is one change in one exploit slot"):
        refuse_hints(campaign, "tpe")
    monkeypatch.setattr("agent.explorers.choose.find_spec", lambda name: None)
    with pytest.raises(UserError, match="hints tpe needs Optuna"):
        refuse_hints(load_campaign(write_campaign(tmp_path / "d.yaml")), "tpe")


def test_the_command_line_says_the_whole(tmp_path: Path) -> None:
    assert chosen_for_run(False, "claude+gp") == Choice("claude", "gp")
    assert chosen_for_run(True, None) is None
    file = campaign_of(tmp_path, hints="tpe")
    for number, (explorer, hints) in enumerate([(None, "tpe"), ("rules", None)]):
        night = open_night(file, tmp_path / f"run{number}", True, explorer)  # type: ignore[arg-type]
        night.close()
        assert night.history.hints == hints


def test_a_bench_compares_with_and_without(tmp_path: Path) -> None:
    out = tmp_path / "bench"
    assert bench(campaign_of(tmp_path), "rules,rules+tpe", 1, 2, 1, out, 1, False) == 0
    data = json.loads((out / "bench.json").read_text())
    assert list(data["arms"]) == ["rules", "rules+tpe"]
    assert data["arms"]["rules+tpe"]["title"] == "the mocked Claude with hints of TPE"
    assert (data["pairs"][0]["a"], data["pairs"][0]["b"]) == ("rules", "rules+tpe")
    assert replay_run(out / "nights" / "001" / "rules+tpe").passed
    assert open_run(out / "nights" / "001" / "rules").started().get("hints") is None
