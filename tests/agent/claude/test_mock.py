"""The mocked Claude: always the same answer, never refused, and a night that follows the addendum."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agent.briefing.context import build_context
from agent.claude.mock import MockLLM, propose
from agent.claude.mock_changes import ByRule
from agent.claude.mock_entries import judge
from agent.claude.protocol import Prompt
from agent.ledger.policy import REPLICATE_ROLES, neighbours
from agent.night.night import Night
from prompts.context import Context, Rule
from state.campaign import load_campaign
from state.config import Scalar
from state.files import dump_yaml, read_yaml
from state.journal import read_records
from tests.agent.conftest import CAMPAIGN, play, write_campaign

BATCHES = 30


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """Thirty batches of the surrogate campaign as it is shipped."""
    return play(CAMPAIGN, tmp_path_factory.mktemp("mock") / "run", BATCHES)


def batch_roles(night: Night, number: int) -> list[str]:
    return [iteration.planned.role for iteration in night.history.batch(number)]


def test_no_reply_is_ever_refused_or_replaced(night: Night) -> None:
    records = list(read_records(night.paths.journal))
    kinds = [record.type for record in records]
    assert kinds.count("reply_received") == kinds.count("reply_accepted") == BATCHES + 1
    assert "reply_rejected" not in kinds
    accepted = [record.data for record in records if record.type == "reply_accepted"]
    assert all((data["fallbacks"], data["warnings"]) == ({}, []) for data in accepted)


def test_the_first_block_is_twelve_runs_of_the_defaults_on_new_data_each(night: Night) -> None:
    base = load_campaign(CAMPAIGN).base_config().identity()
    first = [night.history.iterations[n] for n in range(1, 13)]
    assert [iteration.planned.role for iteration in first] == ["baseline"] * 12
    assert {night.views.config(iteration).identity() for iteration in first} == {base}
    assert len({iteration.planned.simulation_seed for iteration in first}) == 12
    assert {iteration.planned.seed_rationale for iteration in first} == {"different-data-generalization"}


def test_later_batches_exploit_first_and_replicate_after(night: Night) -> None:
    assert batch_roles(night, 4) == ["exploit", "exploit", "replicate", "replicate"]
    for number in range(4, BATCHES + 1):
        roles = batch_roles(night, number)
        assert set(roles) <= {"exploit", "replicate"}
        assert roles == sorted(roles)
        assert sum(role in REPLICATE_ROLES for role in roles) >= 1
    context = build_context(night)
    later = context.model_copy(update={"demand": context.demand.model_copy(update={"min_replicates": 1})})
    assert [proposal["role"] for proposal in propose(later, ByRule(later))] == [
        "exploit",
        "exploit",
        "exploit",
        "replicate",
    ]


def test_no_entry_names_the_node_of_the_next_slot(night: Night) -> None:
    plans = [iteration.planned for iteration in night.history.iterations.values()]
    assert not [plan for plan in plans if plan.slot < 3 and plan.parent == plan.iteration - 4 + 1]


def test_every_mutation_stays_in_range_and_changes_one_key(night: Night) -> None:
    rules = night.campaign.explorable
    explored = set()
    for iteration in night.history.iterations.values():
        changes = iteration.planned.changes
        assert len(changes) == (iteration.planned.role == "exploit")
        for key, (old, new) in changes.items():
            assert rules[key].allows(new)
            assert old != new
            explored.add(key)
    assert explored == set(rules)


def test_no_run_is_made_twice_and_seeds_are_told_truly(night: Night) -> None:
    plans = [iteration.planned for iteration in night.history.iterations.values()]
    runs = {(plan.config_id, plan.simulation_seed, plan.training_seed) for plan in plans}
    assert len(runs) == len(plans) == 4 * BATCHES
    seen: set[tuple[str, int]] = set()
    for plan in plans:
        data = plan.config_id, plan.simulation_seed
        batch = [other for other in plans if other.batch == plan.batch and other is not plan]
        shared = any(other.simulation_seed == plan.simulation_seed for other in batch)
        assert (data in seen or shared) == (plan.seed_rationale == "same-data-robustness")
        seen.add(data)


def test_after_block_1_both_seed_tests_happen(night: Night) -> None:
    """The addendum's training robustness test has one simulation seed across the slots, each with its training seed."""
    used = [
        [(it.planned.simulation_seed, it.planned.training_seed) for it in night.history.batch(number)]
        for number in range(4, BATCHES + 1)
    ]
    shared = [batch for batch in used if max(Counter(simulation for simulation, _ in batch).values()) > 1]
    assert len(shared) >= 3
    assert all(len({training for _, training in batch}) == 4 for batch in used)
    assert len([batch for batch in used if len({simulation for simulation, _ in batch}) == 4]) >= 3


def test_the_best_configs_are_replicated_and_the_search_gets_better(night: Night) -> None:
    table = night.views.table
    assert len(table.ranking(3)) == 3
    best, first = table.ranking(1)[0], table["C1"]
    assert best.config_id != "C1"
    assert len(best.runs) >= 3
    assert (best.spreads["connectivity_R2"].mean or 0) > (first.spreads["connectivity_R2"].mean or 0)


def test_the_same_prompt_gets_the_same_reply(night: Night) -> None:
    prompt = Prompt(system="s", text="t", context=build_context(night))
    replies = {MockLLM().complete(prompt, {}).text for _ in range(3)}
    assert len(replies) == 1
    reply: dict[str, Any] = json.loads(replies.pop())
    assert {"slot_0", "slot_1", "slot_2", "slot_3", "memory", "block_summary", "acknowledged"} == set(reply)


def test_two_nights_are_the_same_to_the_byte(night: Night, tmp_path: Path) -> None:
    again = play(CAMPAIGN, tmp_path / "again", 6)
    log = again.paths.log.read_bytes()
    assert len(log) > 1000
    assert night.paths.log.read_bytes().startswith(log)


def rule(**fields: Any) -> Rule:
    plain: dict[str, Any] = {"key": "training.k", "default": 1, "allowed": "", "description": "", "whole": False}
    return Rule(**plain | {"choices": None, "min": None, "max": None, "scale": "linear"} | fields)


@pytest.mark.parametrize(
    ("fields", "value", "want"),
    [
        ({"choices": [0.2, 0.3, 0.4]}, 0.3, [0.4, 0.2]),
        ({"choices": [0.4, 0.2, 0.3]}, 0.4, [0.3]),
        ({"choices": [0.2]}, 0.2, []),
        ({"choices": ["zeros", "randn_scaled"]}, "zeros", ["randn_scaled"]),
        ({"choices": [False, True]}, True, [False]),
        ({"min": 1e-6, "max": 1e-3, "scale": "log"}, 5e-5, [1e-4, 2.5e-5]),
        ({"min": 1e-6, "max": 1e-3, "scale": "log"}, 1e-3, [5e-4]),
        ({"min": 0.0, "max": 1.0}, 0.9, [1.0, 0.65]),
        ({"min": 1, "max": 9, "whole": True}, 4, [6, 2]),
    ],
)
def test_neighbours_are_the_next_allowed_values(fields: dict[str, Any], value: Scalar, want: list[Scalar]) -> None:
    found = neighbours(rule(**fields), value)
    assert found == want
    assert [type(item) for item in found] == [type(item) for item in want]


def test_the_mock_respects_the_time_limit(tmp_path: Path) -> None:
    def works(limit: float) -> list[float]:
        file = write_campaign(tmp_path / f"c{limit}.yaml", policy={"time_limit_min": limit})
        run = play(file, tmp_path / f"r{limit}", 8)
        results = [iteration.result for iteration in run.history.iterations.values()]
        return [result.seconds["training"] / 60 for result in results if result and result.seconds]

    short, long = works(100), works(1000)
    assert max(short) <= 100
    assert max(long) > 100


def test_a_rehearsal_has_verdicts_of_every_kind_and_no_failed_run_is_supported(night: Night) -> None:
    entries = [iteration.entry for iteration in night.history.iterations.values() if iteration.entry]
    mutations = [entry["verdict"] for entry in entries if entry["role"] == "exploit"]
    assert {"supported", "falsified", "inconclusive"} == set(mutations)
    assert mutations.count("inconclusive") < 0.8 * len(mutations)
    assert not [entry for entry in entries if entry["status"] == "failed" and entry["verdict"] == "supported"]


def seen(context: Context, conn: float, others: list[float], role: str = "replicate") -> tuple[str, str]:
    """Verdict and reason on a run of C1 that had ``conn`` beside ``others``."""
    values = [conn, *others]
    mean = sum(values) / len(values)
    std = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    config = next(view for view in context.configs if view.config_id == "C1")
    spread = {"mean": {"connectivity_R2": mean}, "std": {"connectivity_R2": std}, "runs": len(values)}
    view = next(view for view in context.slots if view.failure is None)
    status = "failed" if conn < 0.3 else "converged"
    changed = {"role": role, "config_id": "C1", "metrics": {"connectivity_R2": conn}, "status": status}
    told = context.model_copy(update={"configs": [config.model_copy(update=spread)]})
    found = judge(told, view.model_copy(update=changed))
    return found["verdict"], found["verdict_reason"]


def test_a_run_is_judged_against_the_others_and_a_baseline_by_its_cv(night: Night) -> None:
    context = build_context(night)
    steady = [0.95, 0.96, 0.95, 0.96, 0.95]
    assert seen(context, 0.955, steady)[0] == "supported"
    # With itself in the mean and the spread, 0.001 would lie within two standard deviations.
    assert seen(context, 0.001, steady)[0] == "falsified"
    assert seen(context, 0.001, [0.001, 0.0, 0.002, 0.9])[0] == "inconclusive"
    assert seen(context, 0.955, steady, "baseline") == ("supported", "the CV is below 5 %")
    assert seen(context, 0.001, steady, "baseline") == ("falsified", "the CV is not below 5 %")
    assert seen(context, 0.9, [0.9], "baseline")[0] == "inconclusive"


def test_sizes_of_the_network_batch_and_start_of_W_are_explored_as_well(tmp_path: Path) -> None:
    tree = read_yaml(CAMPAIGN.with_name("architecture.yaml")) | {"trainer": "surrogate"}
    tree["policy"] |= {"time_limit_min": 100_000}
    (tmp_path / "c.yaml").write_text(dump_yaml(tree))
    run = play(tmp_path / "c.yaml", tmp_path / "r", 12)
    assert "reply_rejected" not in [record.type for record in read_records(run.paths.journal)]
    explored = {key for iteration in run.history.iterations.values() for key in iteration.planned.changes}
    assert {key.partition(".")[0] for key in explored} == {"graph_model", "training"}
    assert {"graph_model.embedding_dim", "training.batch_size", "training.w_init_mode"} <= explored
