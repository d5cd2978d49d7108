"""Each rule of the guard has a reply that breaks it alone, and no reply whatsoever gets past what is protected."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.briefing.context import build_context
from agent.claude.mock import answer
from agent.guard.acceptance import accepted_data
from agent.guard.design import DESIGN_RULES
from agent.guard.screening_rules import SCREENING_RULES
from agent.guard.table import PLACE
from agent.ledger.policy import REPLICATE_ROLES
from agent.night.ask import read_reply
from agent.night.night import Night
from agent.night.plan import child_config
from prompts.memory import empty_memory
from state.explorable import protection
from tests.agent.conftest import play, write_campaign
from tests.agent.guard.replies import edit, edits, one_edit, verdict

EXAMPLES = int(os.environ.get("NIGHTFLY_EXAMPLES", "300"))


def test_the_mock_passes(night: Night, good: dict[str, Any]) -> None:
    assert verdict(night, good) == []


def replicate(reply: Any) -> Any:
    return next(s["proposal"] for s in reply.values() if isinstance(s, dict) and s["proposal"]["role"] == "replicate")


def wasteful(reply: Any) -> None:
    """All replicates are of baseline runs, of which there are most."""
    for slot in range(4):
        proposal = reply[f"slot_{slot}"]["proposal"]
        if proposal["role"] == "replicate":
            proposal |= {"parent": 1 + slot, "mutation": f"[none] — robustness re-run of Node {1 + slot}"}


def duplicate(reply: Any) -> None:
    """Slot 3 copies slot 2, seeds and all."""
    reply["slot_3"]["proposal"] = reply["slot_2"]["proposal"]


def no_replicates(reply: Any) -> None:
    """Both replicates become bolder moves of their own, correctly stated."""
    for slot, value in (("slot_2", 400.0), ("slot_3", 500.0)):
        proposal = reply[slot]["proposal"]
        proposal |= {
            "role": "explore",
            "parent": "root",
            "edits": [{"key": "training.coeff_g_phi_diff", "value": value}],
            "mutation": f"coeff_g_phi_diff: 750.0 -> {value}",
            "simulation_seed": int(value),
            "seed_rationale": "different-data-generalization",
        }


def two_edits(reply: Any) -> None:
    reply["slot_0"]["proposal"] |= {
        "parent": "root",
        "role": "explore",
        "edits": [
            {"key": "training.alternate_joint_ratio", "value": 0.6},
            {"key": "training.alternate_lr_ratio", "value": 0.3},
        ],
        "mutation": "alternate_joint_ratio: 0.4 -> 0.6, alternate_lr_ratio: 0.1 -> 0.3",
    }


CASES: dict[str, Any] = {
    "parent_missing": edit(parent=0),
    "parent_future": edit(parent=9),
    "parent_next_slot": edit(parent=6),
    "duplicate_key": edits(("training.n_epochs", 3), ("training.n_epochs", 3)),
    "protected_key": edits(("training.learning_rate_W_start", 0.01)),
    "unknown_key": edits(("training.alternate_jont_ratio", 0.3)),
    "not_explorable": edits(("training.batch_size", 4)),
    "value_not_allowed": edits(("training.alternate_joint_ratio", 0.45)),
    "no_change": lambda r: r["slot_0"]["proposal"].update(
        parent="root", edits=[{"key": "training.n_epochs", "value": 2}]
    ),
    "prose": edit(hypothesis="   "),
    "seed_range": edit(simulation_seed=-1, seed_rationale="different-data-generalization"),
    "seed_rationale": edit(seed_rationale="suggested-default", training_seed=4),
    "replicate_with_edits": edit(role="replicate"),
    "no_edit": lambda r: replicate(r).update(role="explore"),
    "replicate_of_root": lambda r: replicate(r).update(
        parent="root", mutation="[none] — baseline, campaign defaults unchanged"
    ),
    "mutation_mismatch": edit(mutation="n_epochs: 2 -> 9"),
    "too_many_changes": two_edits,
    "predicted_time": one_edit("training.n_epochs", 2, 3),
    "duplicate_run": duplicate,
    "too_few_replicates": no_replicates,
    "entry_prose": lambda r: r["slot_1"]["entry"].update(observation=""),
    "memory_long": lambda r: r.update(memory=r["memory"] + "\n" * 501),
    "memory_headings": lambda r: r.update(memory="# nothing"),
    "memory_emptied": lambda r: r.update(memory=empty_memory("bare")),
    "owed_replicates": wasteful,
    "seed_mode": edit(seed_rationale="same-data-robustness", simulation_seed=77),
    "block_summary_missing": lambda r: r.update(block_summary=" "),
    "block_summary_long": lambda r: r.update(block_summary="x" * 8001),
    "acknowledged_long": lambda r: r.update(acknowledged="x" * 2001),
}

# These need another night than the one here: tests of their own below.
ELSEWHERE = {
    "baseline_required", "baseline_over", "baseline_parent", "baseline_seeds", "invalid_config", "architecture_time",
    "acknowledged_missing", "setting_conflict", "confirmation_owed", "claim", "memory_plan", "parent_standard",
    "parent_control",
    *(rule.code for rule in (*DESIGN_RULES, *SCREENING_RULES)),
}  # fmt: skip


def test_every_code_has_a_case() -> None:
    assert set(PLACE) - set(CASES) == ELSEWHERE


@pytest.mark.parametrize("code", sorted(CASES))
def test_each_rule_is_broken_by_its_own_reply(code: str, night: Night, good: dict[str, Any]) -> None:
    reply = json.loads(json.dumps(good))
    CASES[code](reply)
    assert {found for found, _ in verdict(night, reply)} == {code}


def test_a_value_in_range_that_its_key_cannot_hold_is_refused(tmp_path: Path) -> None:
    explorable = {"training.n_epochs": {"min": 2, "max": 3}}
    night = play(write_campaign(tmp_path / "c.yaml", explorable=explorable), tmp_path / "r", 1)
    reply = answer(build_context(night))
    one_edit("training.n_epochs", 2, 2.5)(reply)
    assert verdict(night, reply) == [("invalid_config", 0)]


def test_at_a_block_start_any_finished_node_of_an_earlier_block_or_root_is_a_parent(
    night: Night, good: dict[str, Any]
) -> None:
    context = build_context(night)
    assert context.block_end
    new = 3.33e-5
    for parent in ("root", 1, 2, 3, 4, 5, 7, 8):
        config = night.views.parent_config(None if parent == "root" else parent)
        assert config is not None
        reply = json.loads(json.dumps(good))
        old = config.training.coeff_W_L1
        reply["slot_0"]["proposal"] |= {
            "parent": parent,
            "role": "explore",
            "edits": [{"key": "training.coeff_W_L1", "value": new}],
            "mutation": f"coeff_W_L1: {old} -> {new}",
        }
        assert verdict(night, reply) == []


def test_pending_user_input_is_answered(tmp_path: Path) -> None:
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 2)
    night.history.user_input = night.blobs.put("try a longer joint phase")
    reply = answer(build_context(night))
    assert verdict(night, reply) == []
    reply["acknowledged"] = None
    assert verdict(night, reply) == [("acknowledged_missing", None)]


CLAUDE_KEYS = [
    "claude.ucb_c",
    "claude.n_parallel",
    "policy.max_changes",
    "claude",
    "connectome.seed",
    "simulation.seed",
]


@pytest.mark.parametrize("key", CLAUDE_KEYS)
def test_what_the_user_decides_is_protected_with_a_reason(key: str, night: Night, good: dict[str, Any]) -> None:
    reply = json.loads(json.dumps(good))
    edits((key, 2))(reply)
    _, found = read_reply(night, build_context(night), json.dumps(reply))
    assert [violation.code for violation in found.violations] == ["protected_key"]
    assert len(found.violations[0].allowed) > len("nothing: ")


HOSTILE = st.sampled_from(
    ["training.learning_rate_W_start", "simulation.n_frames", "dataset", "training.alternate_training", "../../etc",
     "training.n_epochs", "training.alternate_joint_ratio", "training.coeff_W_L1", "{{ c }}", "connectome.seed",
     "n_epochs", "training.seed", "simulation.seed", "training", "", "__class__"]
)  # fmt: skip
NUMBERS = st.one_of(st.integers(-5, 10**6), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.one_of(st.booleans(), NUMBERS, st.text(max_size=8), st.sampled_from([0.2, 0.3, 3, 25, 1e-4, 300.0]))
PROPOSAL = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["exploit", "explore", "replicate", "baseline", "principle-test"]),
        "parent": st.one_of(st.just("root"), st.integers(-2, 12)),
        "parent_rule": st.text(min_size=1, max_size=20),
        "mutation": st.text(max_size=30),
        "edits": st.lists(st.fixed_dictionaries({"key": HOSTILE, "value": VALUES}), max_size=3),
        "simulation_seed": st.integers(-1, 2**31),
        "training_seed": st.integers(-1, 2**31),
        "seed_rationale": st.sampled_from(
            ["same-data-robustness", "different-data-generalization", "suggested-default"]
        ),
        "hypothesis": st.text(max_size=20),
    }
)


@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_the_reply_the_next_batch_is_safe(data: st.DataObject, night: Night, good: dict[str, Any]) -> None:
    reply = json.loads(json.dumps(good))
    for slot in range(4):
        proposal = reply[f"slot_{slot}"]["proposal"]
        fields = data.draw(st.sets(st.sampled_from(sorted(proposal)), max_size=4))
        proposal |= {key: value for key, value in data.draw(PROPOSAL).items() if key in fields}
    context = build_context(night)
    text = (
        data.draw(st.one_of(st.just(json.dumps(reply)), st.text(max_size=40)))
        if data.draw(st.booleans())
        else json.dumps(reply)
    )
    parsed, found = read_reply(night, context, text)
    settled = accepted_data(night, context, parsed, found)
    base = night.campaign.base_config().flat()
    for slot, proposal in enumerate(settled["proposals"]):
        assert proposal["parent"] is None or 1 <= proposal["parent"] <= context.last_node
        config = child_config(night, slot, proposal)
        for key, value in config.flat().items():
            if protection(key) and key not in ("dataset", "simulation.seed", "training.seed"):
                assert value == base[key]
            if key in night.campaign.explorable:
                assert night.campaign.explorable[key].allows(value)
        assert config.dataset == night.campaign.dataset(slot)
    roles = [proposal["role"] for proposal in settled["proposals"]]
    assert sum(role in REPLICATE_ROLES for role in roles) >= context.demand.min_replicates
