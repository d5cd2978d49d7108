"""Entries, memory and proposals become facts in one journal record; then the derived files follow."""

from __future__ import annotations

from typing import Any

from agent.ledger import Ledger
from agent.night import Night
from state.history import Iteration
from ucb.entry import Judgement, LogEntry, entry_from
from ucb.table import update_line


def commit(night: Night) -> None:
    """Journal `batch_committed`, then bring analysis.md, memory.md and the scores up to it."""
    night.record("batch_committed", committed_data(night))
    night.derived.flush()


def committed_data(ledger: Ledger) -> dict[str, Any]:
    """The data of `batch_committed` that follows from the accepted reply and the results."""
    accepted = ledger.history.attempts[-1].accepted
    assert accepted is not None
    entries = [
        make_entry(ledger, iteration, Judgement.model_validate(judgement), proposal["parent"])
        for iteration, judgement, proposal in zip(
            ledger.history.batch(ledger.history.planned), accepted["judgements"], accepted["proposals"], strict=False
        )
    ]
    return {
        "entries": [entry.model_dump(mode="json") for entry in entries],
        "memory": accepted["memory"],
        "proposals": accepted["proposals"],
        "block_summary": accepted["block_summary"],
    }


def make_entry(ledger: Ledger, iteration: Iteration, judgement: Judgement, next_parent: int | None) -> LogEntry:
    """The log section of one iteration: facts from the journal, opinions from ``judgement``."""
    assert iteration.result is not None
    return entry_from(
        iteration.planned,
        iteration.result,
        judgement,
        config=ledger.views.config(iteration).flat(),
        explored=ledger.campaign.explorable,
        variance_update=update_line(ledger.views.table[iteration.planned.config_id]),
        next_parent=next_parent,
        limits=ledger.campaign.thresholds,
    )
