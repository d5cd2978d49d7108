"""Waiting for a Claude that has said when it will answer again, once the slots have nothing left to do without it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from agent.claude.protocol import LLMUnavailable
from agent.ledger.budget import deadline
from agent.night.inbox import LOOK_EVERY_S
from agent.night.night import Night
from state.shapes import ClaudeAwaited


def await_claude(night: Night, error: LLMUnavailable) -> bool:
    """Wait until the time that ``error`` names; False when it names none, or none before the night has to end.

    A request to stop ends the waiting; a person's other requests are taken meanwhile.
    """
    if error.fatal or error.until is None:
        return False
    moment, end = datetime.fromisoformat(error.until), deadline(night.history.budget.finish_by, datetime.now(UTC))
    if end is not None and moment >= end:
        return False
    awaited: ClaudeAwaited = {"reason": str(error), "until": error.until}
    night.record("claude_awaited", awaited)
    while datetime.now(UTC) < moment:
        with night.interrupt.welcome():
            time.sleep(LOOK_EVERY_S)
        night.take_requests()
        if night.history.asked == "stop":
            return False
    return True
