"""The table of rules: prompts, docs and tests read it, its checks change nothing, and their order has no effect."""

from __future__ import annotations

import json
import os
import string
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.briefing.context import build_context
from agent.briefing.facts import guard_facts
from agent.claude.mock import answer
from agent.guard.checks import wrong_figures
from agent.guard.guard import check
from agent.guard.reply import Asked, Unreadable, parse_reply
from agent.guard.rule import Rule, Setting
from agent.guard.ruling import Ruling
from agent.guard.table import PLACE, RULES, demands, numbers
from agent.night.night import Night
from prompts.memory import HEADINGS
from prompts.render import render_repair, render_system
from state.campaign import Campaign
from state.control import Control
from state.files import read_yaml
from state.policy import Design, Policy
from state.schema import validate
from tests.agent.conftest import play, write_campaign
from tests.agent.guard.hostile import replies

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "guard.md"
EXAMPLES = int(os.environ.get("NIGHTFLY_EXAMPLES", "60"))


def campaign() -> Campaign:
    return validate(Campaign, read_yaml(ROOT / "campaigns" / "surrogate.yaml"), "surrogate")


def ruled(night: Night, text: str, rules: tuple[Rule, ...]) -> Ruling:
    context = build_context(night)
    reply = parse_reply(text, Asked(context.n_parallel, False))
    return check(reply, guard_facts(night, context), wrong_figures(night, context, reply), rules)


@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_order_of_the_rules_has_no_effect(data: st.DataObject, night: Night) -> None:
    text = data.draw(replies(night))
    try:
        plain = ruled(night, text, RULES)
    except Unreadable:
        return
    assert ruled(night, text, tuple(data.draw(st.permutations(RULES)))) == plain


@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_rule_depends_on_another_of_its_round(data: st.DataObject, night: Night) -> None:
    """Without the other rules of the round and of later ones, a rule finds what it finds with them."""
    text, rule = data.draw(replies(night)), data.draw(st.sampled_from(RULES))
    try:
        plain = ruled(night, text, RULES)
    except Unreadable:
        return
    few = tuple(other for other in RULES if other.step.round < rule.step.round or other is rule)
    found, alone = ([v for v in one.violations if v.code == rule.code] for one in (plain, ruled(night, text, few)))
    assert alone == found


def test_codes_are_names_and_stand_once() -> None:
    assert len(PLACE) == len(RULES)
    assert all(set(rule.code) <= set(string.ascii_lowercase + "_") for rule in RULES)


def test_every_policy_has_its_rules_and_every_mode_acts() -> None:
    assert {rule.setting for rule in RULES} - {None} == set(get_args(Setting))
    warned = Policy(baseline="warn", replicates="warn", mutation_size="warn", time="warn")
    for rule in RULES:
        assert rule.mode(Policy()) == rule.modes[0]
        assert rule.mode(warned) == rule.modes[-1]


def test_rules_that_only_warn_refuse_nothing(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml", policy={"baseline": "warn", "baseline_runs": 4})
    night = play(file, tmp_path / "r", 2)
    reply = answer(build_context(night))
    reply["slot_2"]["proposal"] |= {"role": "baseline", "parent": "root", "simulation_seed": 4321}
    reply["slot_2"]["proposal"]["seed_rationale"] = "different-data-generalization"
    reply["slot_2"]["proposal"]["mutation"] = "[none] — baseline, campaign defaults unchanged"
    ruling = ruled(night, json.dumps(reply), RULES)
    assert [v.code for v in ruling.warnings] == ["baseline_over"]
    assert ruling.accepted[2] is not None


def test_demands_are_filled_with_the_campaign_s_numbers() -> None:
    told = {one.code: one.demand for one in demands(campaign())}
    changed = campaign().model_copy(update={"policy": Policy(max_changes=7, time_limit_min=33.5, baseline_runs=5)})
    other = {one.code: one.demand for one in demands(changed)}
    assert "7 key" in other["too_many_changes"]
    assert "7 key" not in told["too_many_changes"]
    assert "33.5 minutes" in other["predicted_time"]
    assert "first 5 runs" in other["baseline_required"]
    assert all(heading in told["memory_headings"] for heading in HEADINGS)
    assert "[none] — baseline, campaign defaults unchanged" in told["mutation_mismatch"]


def test_every_number_is_used() -> None:
    fields = {name for rule in RULES for _, name, _, _ in string.Formatter().parse(rule.demand) if name}
    known = numbers(campaign())
    assert fields <= set(known)
    assert set(known) - set(Policy.model_fields) <= fields


def test_the_prompt_quotes_every_rule(night: Night) -> None:
    context = build_context(night)
    text = render_system(context)
    for one in demands(night.campaign):
        assert f"\n- [{one.code}] {one.demand}\n" in text
    first = context.model_copy(update={"format": 1})
    assert "[parent_missing]" not in render_system(first)


def test_the_repair_quotes_the_rules_that_were_broken() -> None:
    known = demands(campaign())
    text = render_repair(["[no_edit] slot_0: ..."], [one for one in known if one.code == "no_edit"])
    assert text.endswith("- [no_edit] Every other role has at least one edit.\n")
    assert text.count("[") == 2


def test_the_page_of_the_rules_is_that_of_the_table() -> None:
    before, head, _ = PAGE.read_text(encoding="utf-8").partition("| code | what it demands | what a breach does |\n")
    text = before + head + "|---|---|---|\n" + "".join(rows())
    if os.environ.get("NIGHTFLY_UPDATE_GOLDEN"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text


WORDS = {"reject": "sent back", "warn": "warning", "once": "sent back once a conversation"}


def rows() -> Iterator[str]:
    """The rows of docs/guard.md, with the numbers of a policy that sets none."""
    told, control = {}, Control(explorer="random")
    for design in get_args(Design):
        policy = Policy(design=design, baseline_standard=1, screening=1)
        having_all = campaign().model_copy(update={"policy": policy, "control": control})
        told |= {one.code: one.demand for one in demands(having_all)}
    for rule in RULES:
        setting = f", by `policy.{rule.setting}`" if rule.setting else ""
        setting += f", with `policy.design: {rule.design}`" if rule.design else ""
        setting += ", with `policy.baseline_standard`" if rule.standard else ""
        setting += ", with `policy.screening`" if rule.screening else ""
        setting += ", with `control`" if rule.control else ""
        yield f"| `{rule.code}` | {told[rule.code]} | {' or '.join(WORDS[mode] for mode in rule.modes)}{setting} |\n"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_each_demand_is_a_sentence(rule: Rule) -> None:
    allows = {"baseline_standard": int(rule.standard), "screening": int(rule.screening)}
    policy = Policy(design=rule.design or "roles", **allows)
    control = Control(explorer="random") if rule.control else None
    of_design = campaign().model_copy(update={"policy": policy, "control": control})
    demand = next(one.demand for one in demands(of_design) if one.code == rule.code)
    assert demand.endswith((".", ". "))
    assert demand[0].isupper() or demand[0] == "`"
    assert "\n" not in demand
