"""MockLLM: a deterministic explorer that follows the addendum, so that a dry run is a sensible night.

It knows only the context of the prompt, and its answer is text that goes through the same schema, guard and journal
as Claude's.
"""

from __future__ import annotations

import json
from typing import Any

from agent.claude.mock_changes import ByRule
from agent.claude.mock_designs import DESIGNS
from agent.claude.mock_entries import judge, memory_text
from agent.claude.mock_moves import Changes, Slot, baseline
from agent.claude.mock_roles import roles
from agent.claude.mock_screening import screened
from agent.claude.protocol import Completion, Prompt
from prompts.context import Context


class MockLLM:
    """Answers every prompt by rule; the same prompt always gets the same reply.

    ``fresh_data``: its replicates are all on new data, but for those that the program asks for.
    """

    model = "mock-explorer"
    _fresh_data = False

    def __init__(self, fresh_data: bool = False) -> None:
        self._fresh_data = fresh_data

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        """A reply to ``prompt``; it costs nothing and never fails."""
        return Completion(
            text=json.dumps(answer(prompt.context, self._fresh_data), indent=1),
            stop_reason="end_turn",
            model=self.model,
        )


def answer(context: Context, fresh_data: bool = False) -> dict[str, Any]:
    """The mock's whole reply as plain data."""
    if context.screening is not None:
        return reply_with(context, screened(context, context.screening))
    return reply_with(context, propose(context, ByRule(context), fresh_data))


def reply_with(context: Context, proposals: list[Slot]) -> dict[str, Any]:
    """A whole reply that proposes ``proposals``; the entries and the memory say what the figures say."""
    if context.kind == "start":
        slots: dict[str, Slot] = {f"slot_{n}": {"proposal": proposal} for n, proposal in enumerate(proposals)}
        return slots | {"memory": memory_text(context)}
    slots = {f"slot_{view.slot}": {"entry": judge(context, view)} for view in context.slots}
    for n, proposal in enumerate(proposals):
        if n not in context.demand.control:
            slots.setdefault(f"slot_{n}", {})["proposal"] = proposal
    summary = memory_text(context).split("### Established Principles")[1].split("###")[0].strip()
    return slots | {
        "memory": memory_text(context),
        "block_summary": summary or "No principle yet." if context.block_end else None,
        "acknowledged": "Read and noted." if context.user_input else None,
    }


def propose(context: Context, changes: Changes, fresh_data: bool = False) -> list[Slot]:
    """One proposal a slot, by the design of the campaign's batches; what is tried anew comes from ``changes``."""
    # No config is known where every slot so far was lost through no fault of its own.
    if context.demand.baseline or not context.configs:
        return [baseline(context, slot) for slot in range(context.n_parallel)]
    if context.design == "roles":
        return roles(context, changes, fresh_data)
    return DESIGNS[context.design](context, changes)
