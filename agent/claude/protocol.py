"""What the loop needs of a language model: one call, text in and text out, with what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from prompts.context import Context
from state.errors import Standstill


@dataclass(frozen=True)
class Try:
    """One request: how it ended (`ok` or the kind of error), how long it took, what it used and cost, whom it asked.

    ``form``: in which form the schema was sent, see `agent.claude.forms`.
    """

    outcome: str
    seconds: float
    request_id: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    cost_usd: float | None = None
    model: str = ""
    form: str = "full"


class LLMUnavailable(Standstill):
    """No reply could be had. ``fatal``: waiting does not help, a person must act; else the night goes on without it.

    ``until``: the time (RFC 3339) at which the service says that it will answer again, None when it says none.
    """

    def __init__(self, message: str, fatal: bool = True, tries: tuple[Try, ...] = (), until: str | None = None) -> None:
        super().__init__(message)
        self.fatal, self.tries, self.until = fatal, tries, until


@dataclass(frozen=True)
class Turn:
    """An earlier turn of the same conversation."""

    role: str
    text: str


@dataclass(frozen=True)
class Prompt:
    """One request. ``context`` is what the templates were filled with; a real model sees only the text.

    ``refused_before``: the model has refused this very prompt already.
    """

    system: str
    text: str
    context: Context
    turns: tuple[Turn, ...] = ()
    images: tuple[tuple[str, bytes], ...] = ()
    refused_before: bool = False


@dataclass(frozen=True)
class Completion:
    """A reply, brought by the last of ``tries``. ``stop_reason`` None: cut short; ``usage`` as the API tells it.

    ``form``: in which form the schema was sent; only a reply in the form `text` may have words around its JSON.
    ``saved_usd``: what the prompt cache saved, negative where writing it cost more.
    """

    text: str
    stop_reason: str | None
    usage: dict[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    model: str = ""
    cost_usd: float | None = None
    tries: tuple[Try, ...] = ()
    form: str = "full"
    saved_usd: float | None = None


@dataclass(frozen=True)
class ModelFacts:
    """What the API says of the model and of the prompt; None = it does not say. ``lacking``: capabilities not there.

    ``model`` is the one that was looked at, ``form`` the largest in which it takes the schema of the reply.
    """

    max_input_tokens: int | None
    max_tokens: int | None
    lifecycle: str
    lacking: tuple[str, ...]
    prompt_tokens: int
    model: str = ""
    form: str = "full"


class LLMClient(Protocol):
    """Anything that answers a prompt with JSON text of the given schema."""

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        """The reply to ``prompt``; raises LLMUnavailable when there is none."""
