"""Which model is asked, and how: the section `claude` of a campaign."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from state.schema import Section

Via = Literal["anthropic", "bedrock", "vertex"]

# What a person must be able to mend after a stop; none of it stands in a prompt or decides on a reply.
EVENING_CLAUDE_KEYS = (
    *("model", "fallback_model", "via", "effort", "max_tokens", "deadline_s", "patience_minutes"),
    "max_fallback_batches",
)


class ClaudeConfig(Section):
    """Which model is asked, and how."""

    model: str = "claude-opus-5-5"
    fallback_model: str | None = Field(
        None, description="asked where `model` is gone, has refused twice, or was overloaded for patience_minutes"
    )
    via: Via = Field("anthropic", description="where the models are served; each has keys of its own")
    effort: Literal["low", "medium", "high", "max"] = "high"
    max_tokens: int = Field(32_000, ge=1000)
    repair_turns: int = Field(2, ge=0, le=5)
    deadline_s: float = Field(900.0, gt=0, description="one request, from the first byte sent to the last received")
    patience_minutes: float = Field(20.0, gt=0, description="how long an unreachable Claude is asked again and again")
    max_fallback_batches: int = Field(
        3, ge=0, description="batches in a row that go on without an accepted reply; then a stop"
    )
    pictures: bool = True
