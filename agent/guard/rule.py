"""What a rule of the guard is: its code, the sentence that Claude is told, a check that changes nothing, its modes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from agent.guard.reply import ProposalReply, Reply
from agent.guard.ruling import Accepted, Facts, Figures
from state.campaign import Campaign
from state.config import Scalar, SlotConfig
from state.policy import Design, Policy

Mode = Literal["reject", "warn", "once"]
# The policies of a campaign that say whether their rules reject or only warn.
Setting = Literal["baseline", "replicates", "mutation_size", "time"]


class Step(IntEnum):
    """What a rule is about. The tens are rounds: a slot that one round refuses is not looked at in the next ones."""

    PARENT = 10
    EDIT = 11
    PROSE = 12
    SEEDS = 13
    CONFIG = 20
    ROLE = 30
    MUTATION = 31
    POLICY = 32
    DOUBLE = 40
    CONFLICT = 50
    SEED_MODE = 60
    SCREENING = 61
    BATCH = 70
    ENTRY = 80
    MEMORY = 81
    TEXTS = 82
    FIGURES = 83

    @property
    def round(self) -> int:
        """Rules of one round see the same case."""
        return self.value // 10

    @property
    def of_slot(self) -> bool:
        """Whether the rule is about one proposal by itself: then it is told with the others of its slot."""
        return self < Step.DOUBLE


@dataclass(frozen=True)
class Breach:
    """One place where a rule is broken; ``slot`` None = the whole batch, ``place`` orders breaches of one slot."""

    slot: int | None
    key: str
    found: str
    allowed: str
    place: int = 0


def breach(slot: int, key: str, found: object, allowed: str, place: int = 0) -> Breach:
    """A breach that quotes the model, at most 160 characters of it."""
    return Breach(slot, _short(key), _short(found), allowed, place)


def _short(what: object) -> str:
    text = " ".join(str(what).split())
    return text if len(text) <= 160 else text[:157] + "..."


@dataclass(frozen=True)
class EditFault:
    """An edit that cannot be made, the code of the rule that says so, and why."""

    code: str
    key: str
    found: object
    allowed: str


@dataclass(frozen=True)
class Draft:
    """A proposal as far as it can be read: its parent's config (None = no such node), and what its edits come to."""

    slot: int
    proposal: ProposalReply
    parent: SlotConfig | None
    settings: Mapping[str, Scalar]
    changes: Mapping[str, Scalar]
    faults: Sequence[EditFault]


@dataclass(frozen=True)
class Case:
    """A reply, the facts, and what earlier rounds left of it; rules look at it and change nothing.

    ``drafts`` are those not yet refused; ``accepted`` is one item a slot, None where it was refused or has no config
    yet; ``misfits``: slot -> why its edits do not fit together.
    """

    reply: Reply
    facts: Facts
    figures: Figures
    drafts: Sequence[Draft]
    accepted: Sequence[Accepted | None] = ()
    misfits: Mapping[int, str] = field(default_factory=dict)

    @property
    def passed(self) -> Iterator[tuple[int, Accepted]]:
        """The slots that have a config and are not refused."""
        return ((slot, item) for slot, item in enumerate(self.accepted) if item is not None)

    @property
    def screens(self) -> bool:
        """Whether a screening batch is proposed: it stands in place of one batch's replicates, or is refused itself."""
        return any(item.screens for _, item in self.passed)

    @property
    def unknown(self) -> int:
        """How many refused slots may become anything yet; slots of the program are none."""
        own = self.facts.demand.of_program
        return sum(item is None and slot not in own for slot, item in enumerate(self.accepted))


@dataclass(frozen=True)
class Rule:
    """One rule. ``demand`` is told to Claude, filled with the campaign's numbers (`agent.guard.table.numbers`).

    ``setting`` names the policy by which a campaign has it reject or warn; without one it rejects. ``once``: it sends a
    reply back once a conversation and refuses nothing. ``design``: it holds in campaigns of that `policy.design` alone.
    ``standard``: it holds in campaigns that reserve runs of standard training alone, ``control``: in those with a
    control arm, ``screening``: in those that allow screening batches.
    """

    code: str
    step: Step
    demand: str
    broken: Callable[[Case], Iterable[Breach]]
    setting: Setting | None = None
    once: bool = False
    design: Design | None = None
    standard: bool = False
    screening: bool = False
    control: bool = False

    @property
    def of_policy(self) -> bool:
        """Whether it is the campaign's rule for a batch that will run, not one that a proposal needs to be one."""
        return self.setting is not None or self.design is not None or self.screening

    def holds_in(self, campaign: Campaign) -> bool:
        """Whether that campaign has the rule."""
        policy = campaign.policy
        if self.screening and not policy.screening:
            return False
        if (self.standard and not policy.baseline_standard) or (self.control and campaign.control is None):
            return False
        return self.design is None or self.design == policy.design

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The modes that it can have."""
        if self.once:
            return ("once",)
        return ("reject", "warn") if self.setting else ("reject",)

    def mode(self, policy: Policy) -> Mode:
        """The one that it has in a campaign."""
        chosen: Mode = getattr(policy, self.setting) if self.setting else self.modes[0]
        return chosen
