"""The confirmation runs that a batch owes: the model may choose the candidate, never the seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from agent.guard.rule import Breach, Case, Rule, Step
from agent.guard.ruling import Accepted
from prompts.context import Candidate, Owed


def confirming(items: Sequence[Accepted | None], candidate: Candidate, config_ids: Mapping[str, str]) -> dict[int, int]:
    """Slot -> data seed of the items that are confirmation runs of ``candidate``; each data seed counts once."""
    found: dict[int, int] = {}
    for slot, item in enumerate(items):
        if item is None or not item.is_replicate:
            continue
        seed = item.config.simulation.seed
        mine = config_ids.get(item.config.identity()) == candidate.config_id
        if mine and seed in candidate.simulation_seeds and seed not in found.values():
            found[slot] = seed
    return found


def furthest(
    items: Sequence[Accepted | None], owed: Owed, config_ids: Mapping[str, str]
) -> tuple[Candidate, dict[int, int]]:
    """The candidate with the most confirmation runs among ``items``, and these; the first candidate without any."""
    counted = [(candidate, confirming(items, candidate, config_ids)) for candidate in owed.candidates]
    return max(counted, key=lambda one: len(one[1]))


def confirmation_slots(items: Sequence[Accepted | None], owed: Owed | None, config_ids: Mapping[str, str]) -> set[int]:
    """The slots of ``items`` that make confirmation runs; none where nothing is ``owed``."""
    return set() if owed is None else set(furthest(items, owed, config_ids)[1])


def _confirmation_owed(case: Case) -> Iterator[Breach]:
    owed = case.facts.demand.owed
    if owed is None:
        return
    _, have = furthest(case.accepted, owed, case.facts.config_ids)
    # A refused slot is reported once, under its own code.
    unknown = case.unknown
    if len(have) + unknown < owed.runs:
        choices = "; or ".join(
            f"of {one.config_id} on simulation seeds {', '.join(map(str, one.simulation_seeds))}"
            for one in owed.candidates
        )
        allowed = f"at least {owed.runs} replicates {choices}, each seed once, with new training seeds"
        yield Breach(None, "role", f"{len(have)} confirmation runs of one candidate", allowed)


CONFIRMATION_RULE = Rule(
    "confirmation_owed",
    Step.BATCH,
    "Where a prompt asks for confirmation runs, so many replicates are runs of one candidate, each on another of "
    "its listed simulation seeds, with new training seeds.",
    _confirmation_owed,
    setting="replicates",
)
