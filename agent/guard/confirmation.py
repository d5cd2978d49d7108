"""The confirmation runs that a batch owes: the model may choose the candidate, never the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.guard.verdict import Accepted, Facts, Verdict, Violation
from agent.ledger.policy import REPLICATE_ROLES
from prompts.context import Candidate, Owed


def confirming(items: Sequence[Accepted | None], candidate: Candidate, config_ids: Mapping[str, str]) -> dict[int, int]:
    """Slot -> data seed of the items that are confirmation runs of ``candidate``; each data seed counts once."""
    found: dict[int, int] = {}
    for slot, item in enumerate(items):
        if item is None or item.proposal.role not in REPLICATE_ROLES:
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


def check_confirmations(facts: Facts, verdict: Verdict) -> None:
    """Whether the batch holds the confirmation runs that are owed."""
    owed = facts.demand.owed
    if owed is None:
        return
    _, have = furthest(verdict.accepted, owed, facts.config_ids)
    # A refused slot is reported once, under its own code.
    unknown = sum(item is None for item in verdict.accepted)
    if len(have) + unknown < owed.runs:
        choices = "; or ".join(
            f"of {one.config_id} on simulation seeds {', '.join(map(str, one.simulation_seeds))}"
            for one in owed.candidates
        )
        violation = Violation(
            code="confirmation_owed",
            slot=None,
            key="role",
            found=f"{len(have)} confirmation runs of one candidate",
            allowed=f"at least {owed.runs} replicates {choices}, each seed once, with new training seeds",
        )
        mode = facts.campaign.policy.replicates
        (verdict.violations if mode == "reject" else verdict.warnings).append(violation)
