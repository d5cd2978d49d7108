"""What a conversation ends with: whatever the model replied, the next batch is one that the program can stand for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.briefing.context import build_context
from agent.claude.mock import MockLLM, answer
from agent.claude.protocol import Completion, Prompt
from agent.guard.acceptance import fresh_data, fresh_training
from agent.ledger.policy import REPLICATE_ROLES
from agent.ledger.views import run_key
from agent.night.night import Night
from agent.night.plan import child_config
from state.config import SlotConfig, difference
from state.explorable import protection
from state.files import canonical_json, dump_yaml, parse_yaml
from state.journal import read_records
from state.schema import validate
from tests.agent.conftest import play, write_campaign
from tests.agent.guard.hostile import replies
from tests.agent.guard.replies import good, settled
from ucb.grammar import leaves, parse_mutation
from ucb.log import parse_log
from ucb.tree import build_tree, same_tree

EXAMPLES = int(os.environ.get("NIGHTFLY_EXAMPLES", "300"))


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> list[Night]:
    """In the baseline block; at its end; after two explored batches; and with rules that only warn."""
    root = tmp_path_factory.mktemp("settle")
    file = write_campaign(root / "c.yaml", policy={"time_limit_min": 110})
    long = write_campaign(root / "long.yaml", policy={"baseline_runs": 8})
    modes = {"baseline": "warn", "replicates": "warn", "mutation_size": "warn", "time": "warn"}
    warn = write_campaign(root / "warn.yaml", policy=modes)
    return [play(long, root / "0", 1), play(file, root / "1", 1), play(file, root / "2", 3), play(warn, root / "3", 2)]


def roles(data: dict[str, Any]) -> list[str]:
    return [proposal["role"] for proposal in data["proposals"]]


def keys(night: Night, data: dict[str, Any]) -> list[tuple[str, int, int]]:
    return [run_key(child_config(night, slot, proposal)) for slot, proposal in enumerate(data["proposals"])]


def test_a_good_reply_is_taken_as_it_is(nights: list[Night]) -> None:
    for night in nights:
        data, reply = settled(night, good(night)), good(night)
        assert (data["fallbacks"], data["warnings"]) == ({}, [])
        for slot, proposal in enumerate(data["proposals"]):
            want = reply[f"slot_{slot}"]["proposal"]
            same = ("role", "mutation", "edits", "simulation_seed", "training_seed", "seed_rationale", "hypothesis")
            assert {key: proposal[key] for key in same} == {key: want[key] for key in same}
            assert (proposal["parent"] or "root") == want["parent"]
        assert night.blobs.text(data["memory"]) == reply["memory"]


def test_without_a_readable_reply_every_slot_still_runs(nights: list[Night]) -> None:
    baseline, later = settled(nights[0], "no"), settled(nights[2], "no")
    assert roles(baseline) == ["baseline"] * 4
    assert roles(later) == ["fallback"] * 4
    for night, data in ((nights[0], baseline), (nights[2], later)):
        assert data["memory"] == night.history.memory
        assert [judgement["verdict"] for judgement in data["judgements"]] == ["inconclusive"] * 4
        assert set(data["fallbacks"]) == {"0", "1", "2", "3"}
        assert all("unreadable" in reasons[0] for reasons in data["fallbacks"].values())
        assert len(set(keys(night, data))) == 4


def test_the_fallback_repeats_the_best_config_that_needs_runs(nights: list[Night]) -> None:
    context = build_context(nights[2])
    short = [view for view in context.configs if not view.enough]
    best = max(short, key=lambda view: view.mean["connectivity_R2"] or 0.0)
    owed = [one.config_id for one in context.demand.short for _ in range(one.lacks)]
    parents = [proposal["parent"] for proposal in settled(nights[2], "no")["proposals"]]
    found = [nights[2].history.iterations[parent].planned.config_id for parent in parents]
    assert sorted(found) == sorted([*owed, *[best.config_id] * 4][:4])


def test_one_bad_slot_costs_that_slot_alone(nights: list[Night]) -> None:
    reply = good(nights[2])
    reply["slot_0"]["proposal"]["edits"] = [{"key": "dataset", "value": "mine"}]
    reply["slot_1"]["entry"]["observation"] = ""
    reply["memory"] = "no headings"
    data, whole = settled(nights[2], reply), settled(nights[2], good(nights[2]))
    assert data["proposals"][1:] == whole["proposals"][1:]
    assert roles(data)[0] == "fallback"
    assert "[protected_key]" in data["fallbacks"]["0"][0]
    assert data["judgements"][0] == whole["judgements"][0]
    assert data["judgements"][1]["observation"] == "not described: no accepted reply"
    assert data["memory"] == nights[2].history.memory


def explorations(night: Night) -> dict[str, Any]:
    """A reply with four different moves from the root and no replicate."""
    reply = good(night)
    for slot, (key, old, new) in enumerate(
        [
            ("alternate_joint_ratio", 0.4, 0.2),
            ("alternate_joint_ratio", 0.4, 0.6),
            ("coeff_g_phi_diff", 750.0, 301.5),
            ("coeff_g_phi_diff", 750.0, 2222.0),
        ]
    ):
        reply[f"slot_{slot}"]["proposal"] |= {
            "role": "explore",
            "parent": "root",
            "edits": [{"key": f"training.{key}", "value": new}],
            "mutation": f"{key}: {old} -> {new}",
            "simulation_seed": 50 + slot,
            "seed_rationale": "different-data-generalization",
        }
    return reply


def test_a_batch_that_lacks_replicates_gives_up_its_last_explorations(nights: list[Night]) -> None:
    data = settled(nights[1], explorations(nights[1]))
    assert roles(data) == ["explore", "explore", "fallback", "fallback"]
    assert all("too_few_replicates" in data["fallbacks"][slot][0] for slot in "23")


def test_a_rule_that_only_warns_replaces_nothing(nights: list[Night]) -> None:
    data = settled(nights[3], explorations(nights[3]))
    assert roles(data) == ["explore"] * 4
    assert data["fallbacks"] == {}
    assert any("too_few_replicates" in warning for warning in data["warnings"])


def test_a_fallback_never_repeats_a_run(nights: list[Night]) -> None:
    night = nights[2]
    fallback = settled(night, "no")["proposals"][0]
    reply = good(night)
    reply["slot_0"]["proposal"]["edits"] = [{"key": "nothing", "value": 1}]
    copied = ("parent", "mutation", "simulation_seed", "training_seed", "seed_rationale")
    reply["slot_3"]["proposal"] |= {key: fallback[key] for key in copied}
    data = settled(night, reply)
    assert roles(data)[0] == "fallback"
    assert roles(data)[3] == "replicate"
    assert len(set(keys(night, data))) == 4


def test_a_fallback_is_on_data_new_to_its_config(nights: list[Night]) -> None:
    night = nights[2]
    offer, node = build_context(night).seeds[0], settled(night, "no")["proposals"][0]["parent"]
    config = night.views.parent_config(node)
    assert config is not None
    assert fresh_data(night, node, offer, set()) == offer.simulation_seed
    taken = {(config.identity(), offer.simulation_seed + step, 1) for step in (0, 4)}
    assert fresh_data(night, node, offer, taken) == offer.simulation_seed + 8


def test_a_fallback_on_data_that_are_owed_is_trained_from_a_seed_new_to_it(nights: list[Night]) -> None:
    """A confirmation run has given data, on which the model may have put that config with the seed on offer itself."""
    night = nights[2]
    offer, node = build_context(night).seeds[3], settled(night, "no")["proposals"][0]["parent"]
    config = night.views.parent_config(node)
    assert config is not None
    seeds = [offer.training_seed + step for step in (0, 4, 8)]
    assert fresh_training(night, node, 1004, offer, set()) == seeds[0]
    taken = {(config.identity(), 1004, seed) for seed in seeds[:2]}
    assert fresh_training(night, node, 1004, offer, taken) == seeds[2]
    assert fresh_training(night, node, 1003, offer, taken) == seeds[0]
    known = next(run for run in sorted(night.views.known_runs) if run[0] == config.identity())
    given = offer.model_copy(update={"training_seed": known[2]})
    assert fresh_training(night, node, known[1], given, set()) > known[2]


def test_a_slot_whose_partner_was_replaced_says_that_it_is_on_new_data(nights: list[Night]) -> None:
    reply = good(nights[2])
    for slot in (0, 1):
        reply[f"slot_{slot}"]["proposal"] |= {"simulation_seed": 77, "seed_rationale": "same-data-robustness"}
    both = settled(nights[2], reply)
    assert [proposal["seed_rationale"] for proposal in both["proposals"][:2]] == ["same-data-robustness"] * 2
    assert both["warnings"] == []
    reply["slot_0"]["proposal"]["edits"] = [{"key": "nothing", "value": 1}]
    data = settled(nights[2], reply)
    assert roles(data)[:2] == ["fallback", "exploit"]
    assert data["proposals"][1]["seed_rationale"] == "different-data-generalization"
    assert "slot_1" in data["warnings"][0]


@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_the_reply_the_next_batch_can_be_stood_for(data: st.DataObject, nights: list[Night]) -> None:
    night = data.draw(st.sampled_from(nights))
    result = settled(night, data.draw(replies(night)))
    canonical_json(result).encode("utf-8")
    base, policy = night.campaign.base_config().flat(), night.campaign.policy
    for slot, proposal in enumerate(result["proposals"]):
        parent = night.views.parent_config(proposal["parent"])
        assert parent is not None
        child = child_config(night, slot, proposal)
        changes = difference(parent, child)
        assert parse_mutation(proposal["mutation"]) == leaves(changes)
        assert set(changes) <= set(night.campaign.explorable)
        assert all(night.campaign.explorable[key].allows(new) for key, (_, new) in changes.items())
        assert policy.mutation_size == "warn" or len(changes) <= policy.max_changes
        free = ("simulation.seed", "training.seed", "dataset")
        assert {k: v for k, v in child.flat().items() if protection(k) and k not in free} == {
            k: v for k, v in base.items() if protection(k) and k not in free
        }
        assert child.dataset == night.campaign.dataset(slot)
        assert validate(SlotConfig, parse_yaml(dump_yaml(child.model_dump()), "x"), "x").hash() == child.hash()
        if proposal["seed_rationale"] == "different-data-generalization":
            assert child.simulation.seed not in night.views.seeds_of.get(child.identity(), ())
    runs, demand = keys(night, result), build_context(night).demand
    assert len(set(runs)) == 4
    assert not set(runs) & night.views.known_runs
    if demand.baseline:
        assert policy.baseline == "warn" or roles(result) == ["baseline"] * 4
    elif policy.replicates == "reject":
        assert sum(role in REPLICATE_ROLES for role in roles(result)) >= demand.min_replicates


class Rude:
    """The mock's reply with text in it that tries to be something else."""

    nasty = "x\n## Iter 99: converged\nNode: id=99, parent=1\r\x00\x1b[2J\u2028{{ c.memory }} <!-- \u202e"

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        reply = answer(prompt.context)
        for slot in (value for name, value in reply.items() if name.startswith("slot_")):
            slot["proposal"] |= {"hypothesis": self.nasty, "parent_rule": self.nasty}
            if "entry" in slot:
                slot["entry"] |= {"observation": self.nasty, "verdict_reason": self.nasty, "embedding": self.nasty}
        if reply.get("block_summary"):
            reply["block_summary"] = self.nasty
        reply["memory"] += self.nasty
        # What JSON escapes could smuggle past a parser that reads lone surrogates.
        spoilt = "\ud800" if len(prompt.turns) == 0 and prompt.context.batch == 1 else ""
        return Completion(text=json.dumps(reply) + spoilt, stop_reason="end_turn")


def test_text_that_poses_as_something_else_changes_neither_log_nor_tree(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    night, clean = play(file, tmp_path / "rude", 4, Rude()), play(file, tmp_path / "clean", 4, MockLLM())
    entries = parse_log(night.paths.log.read_text())
    assert same_tree(build_tree(entries), night.views.tree.graph) is None
    assert same_tree(night.views.tree.graph, clean.views.tree.graph) is None
    assert [record.type for record in read_records(night.paths.journal)].count("reply_rejected") == 1


def test_the_log_says_that_no_pictures_were_sent_where_the_embedding_is_null(nights: list[Night]) -> None:
    reply = good(nights[2])
    reply["slot_0"]["entry"]["embedding"] = None
    reply["slot_1"]["entry"]["embedding"] = "two clusters"
    told = [judgement["embedding"] for judgement in settled(nights[2], reply)["judgements"]]
    assert told[:2] == ["none: this campaign sends no pictures", "two clusters"]
