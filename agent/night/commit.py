"""Entries, memory and proposals become facts in one journal record; then the derived files follow."""

from __future__ import annotations

from agent.ledger.ledger import Ledger
from agent.night.night import Night
from agent.night.user_input import move_acknowledged
from state.history import Iteration
from state.shapes import BatchCommitted
from ucb.entry import Judgement, LogEntry, entry_from
from ucb.table import update_line


def commit(night: Night) -> None:
    """Journal `batch_committed`, then bring analysis.md, memory.md and the scores up to it."""
    night.record("batch_committed", committed_data(night))
    night.journal.check()
    night.derived.flush()
    acknowledge(night)


def acknowledge(night: Night) -> None:
    """Move the instructions that Claude has acknowledged; what an earlier driver left undone is done now."""
    history = night.history
    accepted = history.exchanges[-1].accepted if history.exchanges else None
    answer = accepted["acknowledged"] if accepted and history.committed == history.planned else None
    if (
        answer
        and history.user_input
        and (history.acknowledged is None or history.acknowledged.batch != history.planned)
    ):
        night.record("user_input_taken", {"kind": "acknowledged", "text": history.user_input, "answer": answer})
    if (done := history.acknowledged) is not None and done.batch == history.planned:
        text = night.blobs.text(done.text)
        move_acknowledged(night.paths.user_input, text, done.answer, done.batch, done.time)


def committed_data(ledger: Ledger) -> BatchCommitted:
    """The data of `batch_committed` that follows from the accepted reply and the results."""
    accepted = ledger.history.exchanges[-1].accepted
    assert accepted is not None
    batch = ledger.history.batch(ledger.history.planned)
    checks = accepted["checks"] or [[] for _ in batch]
    # A wrong figure in the memory belongs to no slot: it is listed in the last entry of the batch.
    if batch:
        checks = [*checks[:-1], [*checks[-1], *(f"in the memory, {text}" for text in accepted["memory_checks"])]]
    entries = [
        make_entry(ledger, iteration, Judgement.model_validate(judgement), proposal["parent"], wrong)
        for iteration, judgement, proposal, wrong in zip(
            batch, accepted["judgements"], accepted["proposals"], checks, strict=False
        )
    ]
    data: BatchCommitted = {
        "entries": [entry.model_dump(mode="json") for entry in entries],
        "memory": accepted["memory"],
        "proposals": accepted["proposals"],
        "block_summary": accepted["block_summary"],
    }
    return {**data, "settings": accepted["settings"]} if "settings" in accepted else data


def make_entry(
    ledger: Ledger, iteration: Iteration, judgement: Judgement, next_parent: int | None, checks: list[str]
) -> LogEntry:
    """The log section of one iteration: facts from the journal, opinions from ``judgement``."""
    assert iteration.result is not None
    name, first = iteration.planned.config_id, ledger.campaign.format == 1
    table = ledger.views.table_of(name)
    # Counted up within the batch; the first release gave every entry the state after the batch.
    stats = table[name] if first else table.as_of(name, iteration.planned.iteration)
    return entry_from(
        iteration.planned,
        iteration.result,
        judgement,
        config=ledger.views.config(iteration).flat(),
        explored=ledger.campaign.explorable,
        variance_update=update_line(stats),
        next_parent=next_parent,
        checks=checks,
        limits=ledger.campaign.thresholds,
        first_release=first,
    )
