"""A screening batch passes whole, whatever its keys, values and order; with one fault no slot of it passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.briefing.context import build_context
from agent.guard.screening_rules import SCREENING_RULES
from agent.guard.table import demands
from agent.night.night import Night
from prompts.render import render_prompt, render_system
from state.config import Scalar
from tests.agent.conftest import play, write_campaign
from tests.agent.guard.replies import good, settled, verdict
from ucb.grammar import render_mutation
from ucb.screening import half_fraction

EXAMPLES = 15


@pytest.fixture(scope="module")
def screening(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """The baseline and one screening batch are done, a second one is on offer; two replicates would be owed."""
    folder = tmp_path_factory.mktemp("screening")
    file = write_campaign(folder / "c.yaml", policy={"screening": 2}, surrogate={"failure_share": 0.0})
    return play(file, folder / "r", 2)


def proposal(reply: dict[str, Any], slot: int) -> dict[str, Any]:
    found: dict[str, Any] = reply[f"slot_{slot}"]["proposal"]
    return found


def roles(night: Night, reply: dict[str, Any]) -> list[str]:
    return [one["role"] for one in settled(night, reply)["proposals"]]


def change(night: Night, one: dict[str, Any], changes: dict[str, Scalar]) -> None:
    """Give a proposal these changes and the mutation line that follows from them."""
    parent = night.views.parent_config(one["parent"])
    assert parent is not None
    pairs = {key: (parent.flat()[key], value) for key, value in changes.items()}
    one["edits"] = [{"key": key, "value": value} for key, value in changes.items()]
    one["mutation"] = render_mutation(pairs, "screening", one["parent"])


def changes_of(one: dict[str, Any]) -> dict[str, Scalar]:
    return {edit["key"]: edit["value"] for edit in one["edits"]}


def test_the_offer_as_it_stands_passes_in_place_of_the_replicates(screening: Night) -> None:
    assert build_context(screening).demand.min_replicates == 2
    assert verdict(screening, good(screening)) == []
    assert roles(screening, good(screening)) == ["screening"] * 4


def values(night: Night) -> st.SearchStrategy[dict[str, Scalar]]:
    """A second value of each of three keys."""
    base = night.campaign.base_config().flat()
    rules = night.campaign.explorable
    second = {
        key: (
            st.sampled_from(rule.choices)
            if rule.choices is not None
            else st.sampled_from([rule.min or 0, rule.max or 0])
        ).filter(lambda value, old=base[key]: value != old)
        for key, rule in rules.items()
    }
    chosen = st.lists(st.sampled_from(sorted(rules)), min_size=3, max_size=3, unique=True)
    return chosen.flatmap(lambda keys: st.fixed_dictionaries({key: second[key] for key in keys}))


@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_other_keys_values_and_slots_pass_and_one_fault_refuses_all(data: st.DataObject, screening: Night) -> None:
    chosen, order = data.draw(values(screening)), data.draw(st.permutations(half_fraction(3)))
    reply = good(screening)
    for slot, levels in enumerate(order):
        change(
            screening,
            proposal(reply, slot),
            {key: value for (key, value), on in zip(chosen.items(), levels, strict=True) if on},
        )
    assert verdict(screening, reply) == []
    assert roles(screening, reply) == ["screening"] * 4
    broken = proposal(reply, data.draw(st.integers(0, 3)))
    broken |= data.draw(st.sampled_from([{"simulation_seed": 4711}, {"parent": 99}, {"mutation": "n_epochs: 1 -> 2"}]))
    assert verdict(screening, reply)
    assert roles(screening, reply) == ["fallback"] * 4


def test_a_slot_on_data_of_its_own(screening: Night) -> None:
    reply = good(screening)
    proposal(reply, 1).update(simulation_seed=4711, seed_rationale="different-data-generalization")
    assert verdict(screening, reply) == [
        ("screening_data", 1),
        ("screening_whole", 0),
        ("screening_whole", 2),
        ("screening_whole", 3),
    ]
    assert roles(screening, reply) == ["fallback"] * 4


def test_a_pattern_that_is_no_half_fraction(screening: Night) -> None:
    reply = good(screening)
    first, *_ = changes_of(proposal(reply, 1)).items()
    change(screening, proposal(reply, 1), dict([first]))
    assert ("screening_pattern", 1) in verdict(screening, reply)
    reply = good(screening)
    change(screening, proposal(reply, 2), changes_of(proposal(reply, 1)))
    assert ("screening_pattern", 2) in verdict(screening, reply)


def test_a_fourth_key(screening: Night) -> None:
    reply = good(screening)
    key = next(
        key
        for key in screening.campaign.explorable
        if not any(key in changes_of(proposal(reply, n)) for n in (1, 2, 3))
    )
    value = next(v for v in (0.5, 0.2, 3, 25, 300.0, 1e-5) if screening.campaign.explorable[key].allows(v))
    last = changes_of(proposal(reply, 3))
    last.popitem()
    change(screening, proposal(reply, 3), last | {key: value})
    assert ("screening_pattern", 0) in verdict(screening, reply)
    assert roles(screening, reply) == ["fallback"] * 4


def test_two_second_values_of_one_key(screening: Night) -> None:
    reply = good(screening)
    key = next(key for key in changes_of(proposal(reply, 1)) if key in changes_of(proposal(reply, 3)))
    rule = screening.campaign.explorable[key]
    parent = screening.views.parent_config(proposal(reply, 3)["parent"])
    assert parent is not None
    taken = {parent.flat()[key], changes_of(proposal(reply, 1))[key]}
    other = next(v for v in rule.choices or [rule.min, rule.max] if v is not None and v not in taken)
    change(screening, proposal(reply, 3), changes_of(proposal(reply, 3)) | {key: other})
    assert ("screening_values", 3) in verdict(screening, reply)


def test_another_parent_in_one_slot(screening: Night) -> None:
    reply = good(screening)
    other = next(it for it in screening.history.batch(2) if it.planned.changes and it.planned.slot == 3)
    wanted = changes_of(proposal(reply, 0))
    proposal(reply, 0)["parent"] = other.planned.iteration
    change(screening, proposal(reply, 0), wanted)
    assert ("screening_parent", 1) in verdict(screening, reply)


def test_a_screening_beside_another_role(screening: Night) -> None:
    reply = good(screening)
    proposal(reply, 0).update(role="replicate", seed_rationale="same-data-robustness")
    assert {code for code, _ in verdict(screening, reply)} == {"screening_whole"}
    assert roles(screening, reply) == ["replicate", "fallback", "fallback", "fallback"]


def test_none_beyond_what_the_campaign_allows(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml", policy={"screening": 1}, surrogate={"failure_share": 0.0})
    night = play(file, tmp_path / "r", 1)
    offered = good(night)
    night = play(file, tmp_path / "r", 2)
    context = build_context(night)
    assert context.screening is None
    assert "No screening batch now: all 1 that the campaign allows have been run." in render_prompt(context)
    reply = good(night)
    for slot in range(4):
        seeds = {"simulation_seed": context.seeds[0].shared_simulation_seed, "training_seed": 600_000 + slot}
        reply[f"slot_{slot}"]["proposal"] = proposal(offered, slot) | seeds
    assert {("screening_allowed", slot) for slot in range(4)} <= set(verdict(night, reply))
    assert roles(night, reply) == ["fallback"] * 4


def test_a_campaign_without_them_knows_neither_role_nor_rules(night: Night, screening: Night) -> None:
    reply = good(night)
    proposal(reply, 0)["role"] = "screening"
    assert [code for code, _ in verdict(night, reply)] == ["unreadable"]
    told = {one.code for one in demands(night.campaign)}
    assert not told & {rule.code for rule in SCREENING_RULES}
    assert "screening" not in render_system(build_context(night)) + render_prompt(build_context(night))
    assert {rule.code for rule in SCREENING_RULES} <= {one.code for one in demands(screening.campaign)}


def test_the_prompt_says_what_it_is_for_and_offers_one(screening: Night) -> None:
    context = build_context(screening)
    system, text = render_system(context), render_prompt(context)
    assert "the effect of a key is mixed with what the other 2 keys do together" in " ".join(system.split())
    assert "The campaign allows 1 of them, this one included." in " ".join(text.split())
    assert context.screening is not None
    assert all(run.mutation in text for run in context.screening.runs)
