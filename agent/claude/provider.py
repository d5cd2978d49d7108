"""What the client needs of a vendor: a request, a look, and what an error means. Another vendor is one such file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from agent.claude.protocol import Completion, ModelFacts, Prompt, Turn

# passing: the same request may succeed later; schema: one in a smaller form may; model: one to another model may.
Cure = Literal["passing", "schema", "model", "person"]


@dataclass(frozen=True)
class Request:
    """One request. ``schema`` None: the reply's form is not enforced; ``probe``: one token is enough of an answer."""

    model: str
    system: str
    turns: tuple[Turn, ...]
    text: str
    images: tuple[tuple[str, bytes], ...]
    schema: dict[str, Any] | None
    probe: bool = False


@dataclass(frozen=True)
class Trouble:
    """An error as the client sees it: what would cure it, its name, and one sentence that never holds a key.

    ``wait_s``: seconds after which the service says that it will answer again; None when it names no time.
    """

    cure: Cure
    outcome: str
    sentence: str
    request_id: str | None = None
    wait_s: float | None = None


def request_for(prompt: Prompt, model: str, system: str, schema: dict[str, Any] | None) -> Request:
    """The request that puts ``prompt`` to ``model``."""
    return Request(model, system, prompt.turns, prompt.text, prompt.images, schema)


class Provider(Protocol):
    """One vendor's service. Whatever its methods raise is given to `trouble`."""

    def require_access(self) -> None:
        """UserError when keys or libraries are missing: told before anything is trained."""

    async def ask(self, request: Request) -> Completion:
        """One request, streamed, within the campaign's deadline."""

    async def look(self, model: str, system: str, text: str) -> ModelFacts:
        """What the service says of a model and of such a prompt."""

    def trouble(self, error: Exception, model: str) -> Trouble:
        """What an error means; one of an unknown class is trouble of the network, and passing."""
