"""What the guard works with: the facts it holds a reply against, and what it says of the reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.guard.reply import EntryReply, ProposalReply
from agent.ledger.policy import REPLICATE_ROLES
from prompts.context import Demand, Screening, SeedOffer
from state.campaign import Campaign
from state.config import Scalar, SlotConfig
from state.records import SCREENING_ROLE, Role
from state.schema import Section
from ucb.grammar import render_mutation


class Violation(Section):
    """One broken rule: its code, where, what was found, what is allowed. ``slot`` None = the whole batch."""

    code: str
    slot: int | None
    key: str
    found: str
    allowed: str

    def sentence(self) -> str:
        """The violation as Claude and the log read it."""
        where = "batch" if self.slot is None else f"slot_{self.slot}"
        return (
            f"[{self.code}] {where}{f', {self.key}' if self.key else ''}: found {self.found}; allowed: {self.allowed}"
        )


@dataclass(frozen=True)
class ParentRun:
    """The run of one node: its data, and its minutes with all stages (None: it did not get that far).

    They are those of the quiet machine; in the first release those that the run took. ``standard``: it is a run of
    standard training, ``control``: one of the control arm, each for comparison alone.
    """

    simulation_seed: int
    minutes: float | None
    standard: bool = False
    control: bool = False


@dataclass(frozen=True)
class Facts:
    """The truth that a reply is held against. ``known_runs`` are the (identity, both seeds) already made.

    ``seeds_of`` gives the simulation seeds that a config (by identity) has run on, ``parent_run`` what is known of the
    run of a node (None for root), ``settings`` the `claude.*` values in force, ``config_ids`` the short name of an
    identity, ``enough`` whether a config (by name) has enough replicates, ``memory`` the one before, ``start`` whether
    this is the start call, ``sent_back`` the codes of the rules that earlier replies of this conversation broke,
    ``last`` whether no further batch is paid for: then no rule of the policy refuses a proposal. Nodes below
    ``first_node`` are imported. ``screening`` is the screening batch on offer, else ``no_screening`` says why none is.
    """

    campaign: Campaign
    demand: Demand
    seeds: Sequence[SeedOffer]
    last_node: int
    parent_config: Callable[[int | None], SlotConfig | None]
    known_runs: frozenset[tuple[str, int, int]] | set[tuple[str, int, int]]
    predict_minutes: Callable[[SlotConfig], float | None]
    seeds_of: Callable[[str], frozenset[int]]
    parent_run: Callable[[int | None], ParentRun | None]
    screening: Screening | None = None
    no_screening: str = ""
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    config_ids: Mapping[str, str] = field(default_factory=dict)
    enough: Callable[[str], bool] = lambda config_id: False
    block_end: bool = False
    user_input: bool = False
    start: bool = False
    last: bool = False
    memory: str = ""
    first_node: int = 1
    sent_back: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Accepted:
    """A proposal that passed: the child config (seeds set), its difference to the parent, and campaign settings."""

    proposal: ProposalReply
    config: SlotConfig
    changes: dict[str, tuple[Scalar, Scalar]]
    settings: dict[str, Scalar] = field(default_factory=dict)
    first_here: bool = False

    @property
    def is_replicate(self) -> bool:
        """Whether it runs a known config again; the first run here of an imported one (``first_here``) does not."""
        return self.proposal.role in REPLICATE_ROLES and not self.first_here

    @property
    def screens(self) -> bool:
        """Whether it is a run of a screening batch."""
        return self.proposal.role == SCREENING_ROLE


@dataclass(frozen=True)
class Figures:
    """Stated figures that the measurements contradict, as sentences: those of each slot's entry and of the memory."""

    slots: Sequence[Sequence[str]] = ()
    memory: Sequence[str] = ()


@dataclass(frozen=True)
class Ruling:
    """What the guard says of a reply; ``accepted`` and ``entries`` have None where a slot or its entry was refused."""

    violations: Sequence[Violation] = ()
    warnings: Sequence[Violation] = ()
    accepted: Sequence[Accepted | None] = ()
    entries: Sequence[EntryReply | None] = ()
    memory: str | None = None
    figures: Figures = Figures()


def mutation_line(changes: Mapping[str, tuple[Scalar, Scalar]], role: Role, parent: int | None) -> str:
    """The Mutation line that the facts demand."""
    return render_mutation(dict(changes), role, parent)
