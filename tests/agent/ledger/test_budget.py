"""The night ends before the batch that would break a limit, whatever the limit counts, and can be resumed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, Prompt
from agent.commands.run import tonight
from agent.ledger.budget import deadline, frozen, why_stop
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from state.campaign import load_campaign
from state.errors import ConfigError
from state.evening import Budget
from state.journal import read_records
from tests.agent.conftest import write_campaign
from trainer.engines.inline import InlineEngine

NOW = datetime(2026, 1, 31, 22, 0, tzinfo=UTC)


class Dear(MockLLM):
    """Each reply costs half a dollar and 1,000 tokens."""

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        text = super().complete(prompt, schema).text
        return Completion(text, "end_turn", {"input_tokens": 900, "output_tokens": 100}, cost_usd=0.5)


def play(tmp_path: Path, budget: Budget) -> tuple[str, Night]:
    night = open_night(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", dry_run=True)
    try:
        return run_night(night, Dear(), InlineEngine(), lambda *_: None, budget), night
    finally:
        night.close()


@pytest.mark.parametrize(
    ("budget", "batches", "says"),
    [
        (Budget(max_batches=3), 3, "3 batches are committed"),
        (Budget(max_dollars=2.4), 3, r"\$2.00 of \$2.40 are spent and a batch takes about \$0.50"),
        (Budget(max_dollars=2.5), 4, r"\$2.50 of \$2.50"),
        (Budget(max_tokens=4100), 3, "4,000 of 4,100 tokens"),
        (Budget(max_gpu_hours=20.0), 3, "of 20 GPU hours"),
    ],
)
def test_no_limit_is_ever_broken(budget: Budget, batches: int, says: str, tmp_path: Path) -> None:
    import re

    reason, night = play(tmp_path, budget)
    assert re.search(says, reason), reason
    assert night.history.committed == batches
    spent = night.spending
    assert spent.dollars <= (budget.max_dollars or 1e9)
    assert spent.tokens <= (budget.max_tokens or 1e9)
    assert spent.gpu_hours <= (budget.max_gpu_hours or 1e9)
    assert list(read_records(night.paths.journal))[-1].type == "budget_stop"
    reason, again = play(tmp_path, budget.model_copy(update={"max_batches": batches + 1} | dict.fromkeys(
        ("max_dollars", "max_tokens", "max_gpu_hours"))))  # fmt: skip
    assert again.history.committed == batches + 1, "a larger budget goes on"


def test_a_night_ends_before_its_time_by_what_batches_took(tmp_path: Path) -> None:
    _, night = play(tmp_path, Budget(max_batches=3))
    seconds, *_ = night.spending.typical() or (0.0,)
    assert seconds > 0
    now = datetime.now(UTC)
    soon, late = (Budget(finish_by=(now + timedelta(seconds=s)).isoformat()) for s in (seconds / 2, seconds * 2))
    assert "a batch takes about" in str(why_stop(night, soon, now))
    assert why_stop(night, late, now) is None


def test_a_time_of_day_is_the_next_one_and_stays_after_midnight() -> None:
    local = NOW.astimezone()
    morning = f"{(local + timedelta(hours=9)):%H:%M}"
    end = deadline(morning, NOW)
    assert end is not None
    assert timedelta(hours=8, minutes=59) < end - NOW <= timedelta(hours=9)
    kept = frozen(Budget(finish_by=morning), NOW)
    assert deadline(kept.finish_by, NOW + timedelta(hours=8)) == end


def test_a_time_that_is_past_or_no_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is past; give a later time"):
        frozen(Budget(finish_by="2026-01-31 12:00"), NOW)
    campaign = load_campaign(write_campaign(tmp_path / "c.yaml"))
    with pytest.raises(ConfigError, match=r'budget.*finish_by.*"07:30"'):
        tonight(campaign, None, "half past seven")
    with pytest.raises(ConfigError, match=r"finish_by"):
        load_campaign(write_campaign(tmp_path / "d.yaml", budget={"finish_by": 27000}))


def test_what_is_left_stands_in_the_prompt(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    night = open_night(file, tmp_path / "r", dry_run=True)
    budget = Budget(max_batches=2, max_dollars=9.0)
    night.record("driver_started", {"budget": budget.model_dump()})
    run_night(night, Dear(), InlineEngine(), lambda *_: None, budget)
    night.close()
    prompts = [
        night.blobs.text(r.data["text"]) for r in read_records(night.paths.journal) if r.type == "prompt_rendered"
    ]
    assert "Budget left: 1 of 2 batches, $8.50 of $9.00." in prompts[1]
