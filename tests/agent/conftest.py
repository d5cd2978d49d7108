"""A fast night for the agent's tests: the surrogate campaign with smaller blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.briefing.context import build_context
from agent.claude.mock import MockLLM, answer
from agent.claude.protocol import LLMClient
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from state.evening import Budget
from state.files import dump_yaml, read_yaml
from trainer.engines.inline import InlineEngine

CAMPAIGN = Path(__file__).resolve().parents[2] / "campaigns" / "surrogate.yaml"


def write_campaign(path: Path, **changes: object) -> Path:
    """The surrogate campaign with blocks and a baseline of 4 runs, and ``changes`` (section -> mapping or value)."""
    tree = read_yaml(CAMPAIGN)
    tree["search"] |= {"n_iter_block": 4}
    tree["policy"] |= {"baseline_runs": 4}
    for key, value in changes.items():
        tree[key] = tree.get(key, {}) | value if isinstance(value, dict) else value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump_yaml(tree))
    return path


def play(
    file: Path, root: Path, batches: int, llm: LLMClient | None = None, engine: InlineEngine | None = None
) -> Night:
    """Run ``batches`` batches in all and return the closed night."""
    night = open_night(file, root, dry_run=True)
    try:
        run_night(night, llm or MockLLM(), engine or InlineEngine(), lambda *_: None, Budget(max_batches=batches))
        night.derived.flush()
    finally:
        night.close()
    return night


@pytest.fixture
def campaign_file(tmp_path: Path) -> Path:
    return write_campaign(tmp_path / "campaign.yaml")


@pytest.fixture
def finished(campaign_file: Path, tmp_path: Path) -> Callable[[int], Night]:
    return lambda batches: play(campaign_file, tmp_path / "runs" / "surrogate", batches)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """A night with its baseline block behind it and the results of batch 2 in hand, before the model is asked."""
    root = tmp_path_factory.mktemp("guard")
    file = write_campaign(root / "c.yaml", policy={"time_limit_min": 100, "max_changes": 1})
    return play(file, root / "run", 2)


@pytest.fixture(scope="module")
def good(night: Night) -> dict[str, Any]:
    """The mock's reply to ``night``; to be copied before it is changed."""
    return answer(build_context(night))
