"""The night: plan, dispatch, harvest, ask, check, commit, until the budget is used or someone stops it."""

from __future__ import annotations

from agent.ask import ask
from agent.commit import commit
from agent.harvest import Watch, run_slots
from agent.llm import LLMClient
from agent.night import Night
from agent.plan import plan_batch, write_configs
from trainer.dispatch import Dispatcher


def run_night(night: Night, llm: LLMClient, engine: Dispatcher, watch: Watch, batches: int | None) -> str:
    """Run batches until ``batches`` are committed (None = no limit); returns why it ended.

    Can be called on a run in any state: each step looks at the journal and does only what is not yet there.
    """
    try:
        if night.history.committed < 0:
            start(night, llm)
        write_configs(night, night.paths)
        while batches is None or night.history.committed < batches:
            run_batch(night, llm, engine, watch)
    finally:
        engine.close()
    reason = f"{night.history.committed} batches are committed, as asked"
    night.record("budget_stop", {"reason": reason})
    return reason


def start(night: Night, llm: LLMClient) -> None:
    """The start call: proposals for the first batch, before anything has run."""
    ask(night, llm)
    commit(night)


def run_batch(night: Night, llm: LLMClient, engine: Dispatcher, watch: Watch) -> None:
    """One batch from plan to commit, or the rest of one that was begun earlier."""
    if night.history.planned == night.history.committed:
        plan_batch(night)
    run_slots(night, engine, watch)
    ask(night, llm)
    commit(night)
