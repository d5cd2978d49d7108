"""Entries, memory and proposals become facts in one journal record; then the derived files follow."""

from __future__ import annotations

from agent.night import Night
from state.history import Iteration
from ucb.entry import Judgement, LogEntry, entry_from
from ucb.table import update_line


def commit(night: Night) -> None:
    """Journal `batch_committed`, then bring analysis.md, memory.md and the scores up to it."""
    accepted = night.history.attempts[-1].accepted
    assert accepted is not None
    entries = [
        make_entry(night, iteration, Judgement.model_validate(judgement), proposal["parent"])
        for iteration, judgement, proposal in zip(
            night.history.batch(night.history.planned), accepted["judgements"], accepted["proposals"], strict=False
        )
    ]
    data = {
        "entries": [entry.model_dump(mode="json") for entry in entries],
        "memory": accepted["memory"],
        "proposals": accepted["proposals"],
        "block_summary": accepted["block_summary"],
    }
    night.record("batch_committed", data)
    night.derived.flush()


def make_entry(night: Night, iteration: Iteration, judgement: Judgement, next_parent: int | None) -> LogEntry:
    """The log section of one iteration: facts from the journal, opinions from ``judgement``."""
    assert iteration.result is not None
    return entry_from(
        iteration.planned,
        iteration.result,
        judgement,
        config=night.views.config(iteration).flat(),
        explored=night.campaign.explorable,
        variance_update=update_line(night.views.table[iteration.planned.config_id]),
        next_parent=next_parent,
        limits=night.campaign.thresholds,
    )
