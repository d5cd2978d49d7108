"""Replicates go to the configs that need runs: asked for by name, refused otherwise, served by mock and fallback."""

from __future__ import annotations

import copy
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from agent.briefing.context import build_context
from agent.briefing.facts import guard_facts
from agent.guard.acceptance import accepted_data
from agent.guard.guard import check
from agent.guard.reply import Asked, parse_reply
from agent.ledger.open_run import open_run
from agent.night.night import Night
from agent.replay.records import Replay
from prompts.render import render_prompt
from tests.agent.conftest import CAMPAIGN, play


@pytest.fixture(scope="module")
def wasteful(night: Night, good: dict[str, Any]) -> dict[str, Any]:
    """The mock's reply, but both of its replicates are of the baseline, which has more runs than any."""
    reply, baseline = copy.deepcopy(good), night.views.table["C1"].runs
    for slot in range(4):
        proposal = reply[f"slot_{slot}"]["proposal"]
        if proposal["role"] == "replicate":
            node = baseline[slot - 4].iteration
            proposal |= {"parent": node, "mutation": f"[none] — robustness re-run of Node {node}"}
    return reply


def test_the_prompt_names_the_configs_and_the_mock_serves_them(night: Night, good: dict[str, Any]) -> None:
    context = build_context(night)
    short = {one.config_id: one.lacks for one in context.demand.short}
    assert context.demand.short_replicates == 2
    assert "C1" not in short
    text = render_prompt(context)
    for name, lacks in short.items():
        assert f"- {name}: {lacks} more run{'s' if lacks > 1 else ''}\n" in text
    parents = [good[f"slot_{n}"]["proposal"] for n in range(4)]
    made = [night.history.iterations[one["parent"]].planned.config_id for one in parents if one["role"] == "replicate"]
    assert set(made) <= set(short)
    verdict = check(parse_reply(json.dumps(good), Asked(4, False)), guard_facts(night, context))
    assert verdict.violations == []


def test_replicates_of_another_config_are_refused_and_the_fallback_serves(
    night: Night, wasteful: dict[str, Any]
) -> None:
    context = build_context(night)
    reply = parse_reply(json.dumps(wasteful), Asked(4, False))
    verdict = check(reply, guard_facts(night, context))
    assert [v.code for v in verdict.violations] == ["owed_replicates"]
    assert "found 0 replicates of the configs that need runs; allowed: at least 2 of these: C" in (
        verdict.violations[0].sentence()
    )
    # Without the driver's look at its journal, which is closed.
    ledger = open_run(night.paths.root).ledger()
    settled = accepted_data(ledger, build_context(ledger), reply, verdict)
    replicates = [one for one in settled["proposals"] if not one["changes"]]
    made = Counter(night.history.iterations[one["parent"]].planned.config_id for one in replicates)
    short = {one.config_id: one.lacks for one in context.demand.short}
    assert [one["role"] for one in replicates] == ["fallback", "fallback"]
    assert all(count <= short[name] for name, count in made.items())


def test_one_of_two_is_enough_where_one_run_is_lacking(night: Night, wasteful: dict[str, Any]) -> None:
    context = build_context(night)
    one = context.demand.short[0].model_copy(update={"lacks": 1})
    demand = context.demand.model_copy(update={"short": [one]})
    assert demand.short_replicates == 1
    verdict = check(
        parse_reply(json.dumps(wasteful), Asked(4, False)),
        guard_facts(night, context.model_copy(update={"demand": demand})),
    )
    assert [v.code for v in verdict.violations] == ["owed_replicates"]


def test_over_a_night_the_replicates_went_where_they_were_owed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Batch by batch, from the prompts' own facts; a candidate's confirmation runs come first."""
    root = tmp_path_factory.mktemp("owed") / "run"
    play(CAMPAIGN, root, 14)
    run = open_run(root)
    replay, asked, served = Replay(run.campaign(), run.blobs), 0, 0
    for record in run.records():
        if record.type == "reply_accepted" and record.batch > 3:
            demand = replay.context().demand
            lacks = {one.config_id: one.lacks for one in demand.short}
            proposals = record.data["proposals"]
            made = Counter(
                replay.history.iterations[one["parent"]].planned.config_id for one in proposals if not one["changes"]
            )
            asked += demand.short_replicates
            served += min(demand.short_replicates, sum(min(made[name], count) for name, count in lacks.items()))
        replay.fold(record)
    assert asked > 5
    assert served == asked


def test_a_config_with_enough_is_not_repeated_while_another_is_owed(night: Night, good: dict[str, Any]) -> None:
    """Three replicates: two serve the configs that need runs and a third is of one with enough."""
    context, reply = build_context(night), copy.deepcopy(good)
    lacks = sum(one.lacks for one in context.demand.short)
    spare = next(n for n in range(4) if reply[f"slot_{n}"]["proposal"]["role"] != "replicate")
    node, offer = night.views.table["C1"].runs[0].iteration, context.seeds[spare]
    reply[f"slot_{spare}"]["proposal"] |= {
        "role": "replicate",
        "parent": node,
        "edits": [],
        "mutation": f"[none] — robustness re-run of Node {node}",
        "simulation_seed": offer.simulation_seed,
        "training_seed": offer.training_seed,
        "seed_rationale": "suggested-default",
    }
    assert lacks > 2
    parsed, facts = parse_reply(json.dumps(reply), Asked(4, False)), guard_facts(night, context)
    open_ones = check(parsed, replace(facts, enough=lambda name: False))
    assert open_ones.violations == []
    ruling = check(parsed, replace(facts, enough=lambda name: name == "C1"))
    assert [(v.code, v.slot) for v in ruling.violations] == [("owed_replicates", spare)]
    assert ruling.violations[0].found == "a replicate of C1, which has enough of them"
    proposal = accepted_data(night, context, parsed, ruling)["proposals"][spare]
    assert proposal["role"] == "fallback"
    config = night.history.iterations[proposal["parent"] or 0].planned.config_id
    assert config in {one.config_id for one in context.demand.short}
