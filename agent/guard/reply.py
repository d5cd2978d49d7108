"""The form of a reply: what Claude judges and proposes, as pydantic models and the JSON schema made from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ValidationError, create_model

from prompts.context import Context, tells_of_embedding
from state.added import FORMAT
from state.campaign import Campaign
from state.records import Edit, SeedRationale
from state.schema import Section, explain

PlainRole = Literal["exploit", "explore", "replicate", "baseline", "principle-test"]
ProposalRole = Literal[PlainRole, "screening"]


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


class SlotJudged(Section):
    """One slot whose run is judged, and whose next one the program proposes."""

    entry: EntryReply


class PicturedJudged(SlotJudged):
    """The same where pictures are sent."""

    entry: PicturedEntry


class SlotStart(Section):
    """One slot of which only the next run is asked: in the start reply, and where the program has judged the last."""

    proposal: ProposalReply


class Reply(Section):
    """A reply of either kind with its slots in a list.

    An entry is None in the start reply and of a run of the control arm, a proposal for a slot of that arm.
    """

    entries: list[EntryReply | None]
    proposals: list[ProposalReply | None]
    memory: str
    block_summary: str | None = None
    acknowledged: str | None = None


class Unreadable(ValueError):
    """A reply that is not of the form asked for; the text says where it departs from it."""


@dataclass(frozen=True)
class NotAsked:
    """Slots of which a reply says nothing: runs whose ``entries`` the program writes, and whose next ``proposals``."""

    entries: frozenset[int] = frozenset()
    proposals: frozenset[int] = frozenset()


ALL_ASKED = NotAsked()


@dataclass(frozen=True)
class Asked:
    """What a reply has to hold: ``n_parallel`` named slots; constant within a campaign but for start and ``without``.

    ``pictured``: an entry has to say something of the embedding. ``screening``: a proposal may have that role.
    """

    n_parallel: int
    start: bool
    pictured: bool = False
    screening: bool = False
    without: NotAsked = ALL_ASKED


def asked_of(campaign: Campaign, context: Context) -> Asked:
    """What the prompt of ``context`` asks for: not what the program writes and proposes for the control arm itself."""
    slots = range(context.n_parallel)
    told = {view.slot for view in context.slots} if context.kind == "batch" else set(slots)
    without = NotAsked(frozenset(set(slots) - told), frozenset(context.demand.control))
    return replace(most_asked(campaign), start=context.kind == "start", without=without)


def most_asked(campaign: Campaign) -> Asked:
    """The most that a night asks for in one reply."""
    seen = tells_of_embedding(campaign.claude.pictures, campaign.format)
    return Asked(campaign.search.n_parallel, start=False, pictured=seen, screening=campaign.policy.screening > 0)


@lru_cache(maxsize=16)
def reply_model(asked: Asked, partial: bool = False) -> type[BaseModel]:
    """The model of a reply.

    ``partial``: a slot or the memory may be null, which in a repair keeps what was sent of it before (`completed`).
    """
    slots: dict[str, Any] = {}
    for n in range(asked.n_parallel):
        if (slot := _slot_model(n, asked)) is not None:
            slot = slot if asked.screening else _plain(slot)
            slots[f"slot_{n}"] = (slot | None if partial else slot, ...)
    slots["memory"] = (str | None if partial else str, ...)
    if asked.start:
        return create_model("StartReply", __base__=Section, **slots)
    rest: dict[str, Any] = {"block_summary": (str | None, ...), "acknowledged": (str | None, ...)}
    return create_model("BatchReply", __base__=Section, **slots, **rest)


def _plain(slot: type[BaseModel]) -> type[BaseModel]:
    """``slot`` without the role of screening batches, under the same names."""
    if "proposal" not in slot.model_fields:
        return slot
    fields: Any = {"role": (PlainRole, ...)}
    proposal = create_model("ProposalReply", __base__=ProposalReply, __doc__=ProposalReply.__doc__, **fields)
    return create_model(slot.__name__, __base__=slot, __doc__=slot.__doc__, proposal=(proposal, ...))


def _slot_model(slot: int, asked: Asked) -> Any:
    """The model of one slot; None where nothing is asked of it."""
    judged = not asked.start and slot not in asked.without.entries
    if slot in asked.without.proposals:
        return None if not judged else PicturedJudged if asked.pictured else SlotJudged
    return SlotStart if not judged else PicturedSlot if asked.pictured else SlotReply


@lru_cache(maxsize=16)
def reply_schema(asked: Asked, format: int = FORMAT) -> dict[str, Any]:
    """JSON schema of the reply; one for the first prompt and its repairs, so that the prompt stays cached."""
    return reply_model(asked, partial=format > 1).model_json_schema()


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


def parse_reply(text: str, asked: Asked) -> Reply:
    """The reply in ``text``; Unreadable says which field is wrong and what is expected.

    What it says beyond ``asked`` of slots of the control arm is not looked at.
    """
    model, without = reply_model(asked), asked.without
    try:
        # This parser refuses lone surrogates, which no file could hold.
        value = model.model_validate_json(text if without == ALL_ASKED else _asked(text, without))
    except ValidationError as error:
        raise Unreadable("; ".join(explain(fault, model) for fault in error.errors()[:5])) from error
    slots = [getattr(value, f"slot_{n}", None) for n in range(asked.n_parallel)]
    return Reply(
        entries=[getattr(slot, "entry", None) for slot in slots],
        proposals=[getattr(slot, "proposal", None) for slot in slots],
        memory=getattr(value, "memory"),  # noqa: B009 - the model is made at run time
        block_summary=getattr(value, "block_summary", None),
        acknowledged=getattr(value, "acknowledged", None),
    )


def _asked(text: str, without: NotAsked) -> str:
    """``text`` less what it says of slots that it was not asked about; as it is where it is no JSON object."""
    try:
        sent = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(sent, dict):
        return text
    for part, slots in (("entry", without.entries), ("proposal", without.proposals)):
        for slot in (sent.get(f"slot_{n}") for n in slots):
            if isinstance(slot, dict):
                slot.pop(part, None)
    for name in (f"slot_{n}" for n in without.entries & without.proposals):
        sent.pop(name, None)
    return json.dumps(sent)
