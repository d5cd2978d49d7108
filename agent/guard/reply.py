"""The form of a reply: what Claude judges and proposes, as pydantic models and the JSON schema made from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ValidationError, create_model

from prompts.context import tells_of_embedding
from state.added import FORMAT
from state.campaign import Campaign
from state.records import Edit, SeedRationale
from state.schema import Section, explain

ProposalRole = Literal["exploit", "explore", "replicate", "baseline", "principle-test"]


class EntryReply(Section):
    """Claude's part of a log section, written after the run."""

    embedding: str | None  # None: no picture of it was sent
    observation: str
    verdict: Literal["supported", "falsified", "inconclusive"]
    verdict_reason: str


class PicturedEntry(EntryReply):
    """The same where pictures are sent: there is something to say of the embedding."""

    embedding: str


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

    @property
    def node(self) -> int | None:
        """The node that `parent` names; None = root."""
        return None if self.parent == "root" else self.parent


class SlotReply(Section):
    """One slot of a batch reply."""

    entry: EntryReply
    proposal: ProposalReply


class PicturedSlot(SlotReply):
    """The same where pictures are sent."""

    entry: PicturedEntry


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


def pictured(campaign: Campaign) -> bool:
    """`tells_of_embedding` of the campaign."""
    return tells_of_embedding(campaign.claude.pictures, campaign.format)


@lru_cache(maxsize=8)
def reply_model(n_parallel: int, start: bool, partial: bool = False, pictured: bool = False) -> type[BaseModel]:
    """The model of a reply with ``n_parallel`` named slots, constant within a campaign.

    ``pictured``: `pictured` of the campaign.
    ``partial``: a slot or the memory may be null, which in a repair keeps what was sent of it before (`completed`).
    """
    slot: Any = SlotStart if start else PicturedSlot if pictured else SlotReply
    slots: dict[str, Any] = {f"slot_{n}": (slot | None if partial else slot, ...) for n in range(n_parallel)}
    slots["memory"] = (str | None if partial else str, ...)
    if start:
        return create_model("StartReply", __base__=Section, **slots)
    rest: dict[str, Any] = {"block_summary": (str | None, ...), "acknowledged": (str | None, ...)}
    return create_model("BatchReply", __base__=Section, **slots, **rest)


@lru_cache(maxsize=8)
def reply_schema(n_parallel: int, start: bool, format: int = FORMAT, pictured: bool = False) -> dict[str, Any]:
    """JSON schema of the reply; one for the first prompt and its repairs, so that the prompt stays cached."""
    return reply_model(n_parallel, start, partial=format > 1, pictured=pictured).model_json_schema()


def completed(sent: Sequence[str]) -> str:
    """The reply that stands after the replies of one conversation, a first one and its repairs.

    A null in a repair, or a field that it lacks, keeps what was sent of it before.
    """
    if len(sent) < 2:
        return sent[0] if sent else ""
    try:
        before, now = json.loads(completed(sent[:-1])), json.loads(sent[-1])
    except (ValueError, RecursionError):
        return sent[-1]
    if not isinstance(before, dict) or not isinstance(now, dict):
        return sent[-1]
    kept = {key: value for key, value in before.items() if now.get(key) is None}
    return json.dumps(now | kept, ensure_ascii=False)


def parse_reply(text: str, n_parallel: int, start: bool, pictured: bool = False) -> Reply:
    """The reply in ``text``; Unreadable says which field is wrong and what is expected."""
    model = reply_model(n_parallel, start, pictured=pictured)
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
