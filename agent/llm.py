"""What the loop needs of a language model: one call, text in and text out, with what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from prompts.context import Context
from state.errors import NightflyError


class LLMUnavailable(NightflyError):
    """No reply could be had; the night may go on with fallbacks or stop in a resumable state."""


@dataclass(frozen=True)
class Turn:
    """An earlier turn of the same conversation."""

    role: str
    text: str


@dataclass(frozen=True)
class Prompt:
    """One request. ``context`` is what the templates were filled with; a real model sees only the text."""

    system: str
    text: str
    context: Context
    turns: tuple[Turn, ...] = ()
    images: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Completion:
    """A reply. ``stop_reason`` None means it was cut short; ``usage`` counts tokens by kind."""

    text: str
    stop_reason: str | None
    usage: dict[str, int] = field(default_factory=dict)
    request_id: str | None = None
    model: str = ""
    cost_usd: float | None = None


class LLMClient(Protocol):
    """Anything that answers a prompt with JSON text of the given schema."""

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        """The reply to ``prompt``; raises LLMUnavailable when there is none."""
