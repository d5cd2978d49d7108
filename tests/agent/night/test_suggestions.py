"""The last request of an evening: no rule of the policy refuses a proposal, another evening applies them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, Prompt
from agent.ledger.open_run import open_run
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.replay.whole_run import replay_run
from state.evening import Budget
from tests.agent.conftest import write_campaign
from trainer.engines.inline import InlineEngine

KEY, VALUES = "training.alternate_joint_ratio", (0.2, 0.3, 0.5, 0.6)


class Bold(MockLLM):
    """After the baseline it explores in every slot: no replicate, which the policy refuses."""

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        completion = super().complete(prompt, schema)
        if prompt.context.kind == "start" or prompt.context.demand.baseline:
            return completion
        reply = json.loads(completion.text)
        for slot, value in enumerate(VALUES):
            offer = prompt.context.seeds[slot]
            reply[f"slot_{slot}"]["proposal"] |= {
                "role": "explore",
                "parent": "root",
                "edits": [{"key": KEY, "value": value}],
                "mutation": f"alternate_joint_ratio: 0.4 -> {value}",
                "simulation_seed": offer.simulation_seed,
                "training_seed": offer.training_seed,
                "seed_rationale": "suggested-default",
            }
        return Completion(**{**vars(completion), "text": json.dumps(reply)})


def evening(root: Path, batches: int) -> Night:
    file = root.parent / f"{batches}.yaml"
    night, budget = open_night(write_campaign(file), root, dry_run=True), Budget(max_batches=batches)
    night.record("driver_started", {"host": "example", "budget": budget.model_dump()})
    try:
        run_night(night, Bold(), InlineEngine(), lambda *_: None, budget)
        night.derived.flush()
    finally:
        night.close()
    return night


@pytest.fixture
def first(tmp_path: Path) -> Night:
    return evening(tmp_path / "run", 1)


def roles(root: Path, batch: int) -> list[str]:
    planned = [record for record in open_run(root).records() if record.type == "batch_planned"]
    return [slot["role"] for slot in planned[batch - 1].data["slots"]]


def test_nothing_is_sent_back_that_will_not_run_and_the_prompt_says_so(first: Night) -> None:
    records = list(open_run(first.paths.root).records())
    assert "reply_rejected" not in [record.type for record in records]
    [accepted] = [r.data for r in records if r.type == "reply_accepted" and r.batch == 1]
    assert [proposal["role"] for proposal in accepted["proposals"]] == ["explore"] * 4
    assert accepted["fallbacks"] == {}
    assert accepted["suggestions"] is True
    [prompt] = [r.data["text"] for r in records if r.type == "prompt_rendered" and r.batch == 1]
    text = re.sub(r"\s+", " ", first.blobs.text(prompt))
    assert "This is the last request of this evening" in text
    assert "Draw your conclusion in `memory`" in text


def test_another_evening_runs_of_the_suggestions_what_its_policy_allows(first: Night) -> None:
    root = first.paths.root
    night = evening(root, 2)
    assert roles(root, 2) == ["explore", "explore", "fallback", "fallback"]
    # In the middle of a night the same reply is sent back.
    assert night.history.planned == 2
    evening(root, 4)
    assert "reply_rejected" in [r.type for r in open_run(root).records() if r.batch == 3]
    assert replay_run(root).passed
