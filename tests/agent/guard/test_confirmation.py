"""Confirmation runs: owed by the batch, made by the mock, demanded of a reply, else made by fallbacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM, answer
from agent.guard.acceptance import accepted_data
from agent.night.ask import read_reply
from benchmarks.rehearsal import Rehearsal
from prompts.context import Context
from state.campaign import Campaign
from state.files import read_yaml
from state.schema import validate

ROOT = Path(__file__).resolve().parents[3]
RIDGE = {"surface": "ridge", "effect": 0.2, "failure_share": 0.0}


@pytest.fixture(scope="module")
def owing() -> tuple[Rehearsal, Context]:
    """A night at the first moment at which confirmation runs are owed."""
    tree = read_yaml(ROOT / "campaigns" / "null.yaml") | {"surrogate": RIDGE}
    night = Rehearsal(validate(Campaign, tree, "null"), MockLLM())
    night.run(4)
    for _ in range(20):
        context = night.train()
        if context.demand.owed is not None:
            return night, context
        night.converse(context)
    raise AssertionError("no config ever led")


def reply(context: Context, change: Any = None) -> str:
    slots = answer(context)
    if change is not None:
        change(slots)
    return json.dumps(slots)


def test_the_mock_makes_what_is_owed(owing: tuple[Rehearsal, Context]) -> None:
    night, context = owing
    owed = context.demand.owed
    assert owed is not None
    _, verdict = read_reply(night, context, reply(context))
    assert verdict.violations == []
    made = accepted_data(night, context, None, verdict)["proposals"]
    seeds = [one["simulation_seed"] for one in made]
    assert sum(seed in owed.candidates[0].simulation_seeds for seed in seeds) == owed.runs


def test_other_seeds_than_the_owed_are_sent_back_and_at_last_replaced(owing: tuple[Rehearsal, Context]) -> None:
    night, context = owing
    owed = context.demand.owed
    assert owed is not None

    def stray(slots: dict[str, Any]) -> None:
        for n in range(context.n_parallel):
            proposal = slots[f"slot_{n}"]["proposal"]
            if proposal["role"] == "replicate":
                proposal["simulation_seed"] = 9_000_000 + n

    _, verdict = read_reply(night, context, reply(context, stray))
    assert "confirmation_owed" in [violation.code for violation in verdict.violations]
    made = accepted_data(night, context, None, verdict)["proposals"]
    fallbacks = [one for one in made if one["role"] == "fallback"]
    assert [one["simulation_seed"] for one in fallbacks] == owed.candidates[0].simulation_seeds[: owed.runs]


def test_two_runs_on_one_data_seed_are_one(owing: tuple[Rehearsal, Context]) -> None:
    night, context = owing
    owed = context.demand.owed
    assert owed is not None
    assert owed.runs == 2

    def twice(slots: dict[str, Any]) -> None:
        for n in range(context.n_parallel):
            proposal = slots[f"slot_{n}"]["proposal"]
            if proposal["role"] == "replicate":
                proposal["simulation_seed"] = owed.candidates[0].simulation_seeds[0]
                proposal["seed_rationale"] = "same-data-robustness"

    _, verdict = read_reply(night, context, reply(context, twice))
    assert "confirmation_owed" in [violation.code for violation in verdict.violations]
