"""The form of a reply: what Claude judges and proposes, as pydantic models and the JSON schema made from them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ValidationError, create_model

from state.records import Edit, SeedRationale
from state.schema import Section, explain

ProposalRole = Literal["exploit", "explore", "replicate", "baseline", "principle-test"]


class EntryReply(Section):
    """Claude's part of a log section, written after the run."""

    embedding: str
    observation: str
    verdict: Literal["supported", "falsified", "inconclusive"]
    verdict_reason: str


class ProposalReply(Section):
    """What a slot should run next, with the reasons given beforehand."""

    role: ProposalRole
    parent: int | Literal["root"]
    parent_rule: str
    mutation: str
    edits: list[Edit]
    simulation_seed: int
    training_seed: int
    seed_rationale: SeedRationale
    hypothesis: str


class SlotReply(Section):
    """One slot of a batch reply."""

    entry: EntryReply
    proposal: ProposalReply


class SlotStart(Section):
    """One slot of the start reply: nothing has run yet."""

    proposal: ProposalReply


class Reply(Section):
    """A reply of either kind with its slots in a list; ``entry`` is None in the start reply."""

    entries: list[EntryReply | None]
    proposals: list[ProposalReply]
    memory: str
    block_summary: str | None = None
    acknowledged: str | None = None


class Unreadable(ValueError):
    """A reply that is not of the form asked for; the text says where it departs from it."""


@lru_cache(maxsize=8)
def reply_model(n_parallel: int, start: bool) -> type[BaseModel]:
    """The model of a reply with ``n_parallel`` named slots, constant within a campaign."""
    slots: dict[str, Any] = {f"slot_{n}": (SlotStart if start else SlotReply, ...) for n in range(n_parallel)}
    if start:
        return create_model("StartReply", __base__=Section, **slots, memory=(str, ...))
    rest: dict[str, Any] = {"memory": (str, ...), "block_summary": (str | None, ...), "acknowledged": (str | None, ...)}
    return create_model("BatchReply", __base__=Section, **slots, **rest)


@lru_cache(maxsize=8)
def reply_schema(n_parallel: int, start: bool) -> dict[str, Any]:
    """JSON schema of the reply."""
    return reply_model(n_parallel, start).model_json_schema()


def parse_reply(text: str, n_parallel: int, start: bool) -> Reply:
    """The reply in ``text``; Unreadable says which field is wrong and what is expected."""
    model = reply_model(n_parallel, start)
    try:
        # This parser refuses lone surrogates, which no file could hold.
        value = model.model_validate_json(text)
    except ValidationError as error:
        raise Unreadable("; ".join(explain(fault, model) for fault in error.errors()[:5])) from error
    slots = [getattr(value, f"slot_{n}") for n in range(n_parallel)]
    return Reply(
        entries=[None if start else slot.entry for slot in slots],
        proposals=[slot.proposal for slot in slots],
        memory=getattr(value, "memory"),  # noqa: B009 - the model is made at run time
        block_summary=getattr(value, "block_summary", None),
        acknowledged=getattr(value, "acknowledged", None),
    )
