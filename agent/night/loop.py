"""The night: plan, dispatch, harvest, ask, check, commit, until the budget is used or someone stops it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from agent.claude.protocol import LLMClient, LLMUnavailable
from agent.ledger.budget import why_stop
from agent.night.ask import ask
from agent.night.commit import acknowledge, commit
from agent.night.harvest import Watch, run_slots
from agent.night.inbox import LOOK_EVERY_S
from agent.night.night import Night
from agent.night.plan import plan_batch, write_configs
from state.evening import Budget
from trainer.engines.contract import Dispatcher


def run_night(night: Night, llm: LLMClient, engine: Dispatcher, watch: Watch, budget: Budget) -> str:
    """Run batches until the next one would break ``budget`` or someone asks to stop; returns why it ended.

    Can be called on a run in any state: each step looks at the journal and does only what is not yet there.
    """
    try:
        if night.history.committed < 0:
            start(night, llm)
        acknowledge(night)
        write_configs(night, night.paths)
        while (reason := _why_stop(night, budget)) is None:
            _refuse_useless(night)
            run_batch(night, llm, engine, watch)
    finally:
        engine.close()
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


def _refuse_useless(night: Night) -> None:
    """LLMUnavailable when Claude answers, and again and again nothing of it can be used: each reply is paid for."""
    history, most = night.history, night.campaign.claude.max_fallback_batches
    if history.useless > max(most, history.useless_before) and history.planned == history.committed:
        raise LLMUnavailable(
            f"{history.useless} conversations in a row brought no proposal that was accepted, the last one: "
            f"{history.why_useless}; claude.max_fallback_batches is {most}; read them with `nightfly prompt "
            f"{night.paths.root}`, and change the model or the campaign"
        )


def _why_stop(night: Night, budget: Budget) -> str | None:
    """Why no further batch is begun; a batch that was begun is always brought to its end. Waits while paused."""
    night.take_requests()
    while True:
        if night.history.asked == "stop":
            reason = f"stopped on request after batch {night.history.committed}"
            night.record("driver_stopped", {"reason": reason})
            return reason
        # A batch that is planned and not committed is finished first: part of it has been paid for.
        begun = night.history.planned > night.history.committed
        if not begun and (why := why_stop(night, budget, datetime.now(UTC))) is not None:
            night.record("budget_stop", {"reason": why})
            return why
        if night.history.asked != "pause":
            return None
        with night.interrupt.welcome():
            time.sleep(LOOK_EVERY_S)
        night.take_requests()
