"""Why a night ended other than by its budget: the one record of it, whoever drives."""

from __future__ import annotations

from dataclasses import asdict

from agent.claude.protocol import LLMUnavailable
from agent.night.night import Night
from state.shapes import Stopped

BY_USER = "stopped by the user"


def record_end(night: Night, error: BaseException) -> str:
    """Journal what ended ``night``, with the requests to Claude that failed; returns the reason."""
    reason = BY_USER if isinstance(error, KeyboardInterrupt) else str(error)
    stopped: Stopped = {"reason": reason}
    if isinstance(error, LLMUnavailable):
        stopped["tries"] = [asdict(one) for one in error.tries]
    night.record("driver_stopped", stopped)
    return reason
