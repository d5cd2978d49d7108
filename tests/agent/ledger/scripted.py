"""A night of three small batches in which everything happens that a journal can tell of a conversation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, LLMUnavailable, Prompt

WRONG = "connectivity_R2 = 0.123 here."


class Scripted(MockLLM):
    """The mock, but request by request: start, refused, good, unreadable, good, wrong figure, good, not to be had."""

    def __init__(self) -> None:
        super().__init__()
        self._requests = 0

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        """The reply of the script; the mock's own where it says nothing."""
        self._requests += 1
        good = super().complete(prompt, schema)
        if self._requests == 2:
            return replace(good, text="I cannot.", stop_reason="refusal")
        if self._requests == 4:
            return replace(good, text="no JSON")
        if self._requests == 6:
            return replace(good, text=good.text.replace('"observation": "', f'"observation": "{WRONG} ', 1))
        if self._requests == 8:
            raise LLMUnavailable("Claude could not be reached: HTTP 529", fatal=False)
        return good
