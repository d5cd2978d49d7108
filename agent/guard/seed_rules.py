"""Rules on seeds: in range, as offered where it is said so, and truly the test they claim."""

from __future__ import annotations

from collections.abc import Sequence

from agent.guard.reply import ProposalReply
from agent.guard.verdict import Facts, Verdict, Violate, Violation

SEED_LIMIT = 2**31
NAMED = 6


def check_seeds(slot: int, proposal: ProposalReply, facts: Facts, violate: Violate) -> None:
    """Both seeds in range; `suggested-default` is the pair that the slot was offered."""
    for key in ("simulation_seed", "training_seed"):
        if not 0 <= getattr(proposal, key) < SEED_LIMIT:
            violate("seed_range", key, getattr(proposal, key), f"0 to {SEED_LIMIT - 1}")
    offer = facts.seeds[slot]
    pair = (proposal.simulation_seed, proposal.training_seed)
    if proposal.seed_rationale == "suggested-default" and pair != (offer.simulation_seed, offer.training_seed):
        want = f"{offer.simulation_seed} and {offer.training_seed}, or another seed_rationale"
        violate("seed_rationale", "seed_rationale", f"suggested-default with seeds {pair[0]} and {pair[1]}", want)


def check_seed_modes(proposals: Sequence[ProposalReply], facts: Facts, verdict: Verdict) -> None:
    """The addendum's two tests are what they say.

    same-data-robustness: the simulation seed is that of another slot of the batch (the addendum fixes it across all
    slots), of the parent's run, or of an earlier run of the same config. different-data-generalization: it is new to
    the config, in earlier batches and among the slots of this one that do not repeat data on purpose.
    """
    for slot, proposal in enumerate(proposals):
        accepted = verdict.accepted[slot]
        if accepted is None:
            continue
        if proposal.seed_rationale == "same-data-robustness":
            found = _same_data(slot, proposals, accepted.config.identity(), facts)
        elif proposal.seed_rationale == "different-data-generalization":
            found = _different_data(slot, proposals, accepted.config.identity(), facts, verdict)
        else:
            found = None
        if found is not None:
            verdict.violations.append(
                Violation(code="seed_mode", slot=slot, key="simulation_seed", found=found[0], allowed=found[1])
            )
    refused = {violation.slot for violation in verdict.violations if violation.code == "seed_mode"}
    verdict.accepted = [None if slot in refused else item for slot, item in enumerate(verdict.accepted)]


def _same_data(slot: int, proposals: Sequence[ProposalReply], identity: str, facts: Facts) -> tuple[str, str] | None:
    proposal, run = proposals[slot], _parent_seed(proposals[slot], facts)
    known = facts.seeds_of(identity)
    others = {other.simulation_seed for place, other in enumerate(proposals) if place != slot}
    if proposal.simulation_seed in known | others | {run}:
        return None
    near = sorted(known)[-NAMED:] or ([run] if run is not None else [])
    offered = f"{facts.seeds[slot].shared_simulation_seed} in several slots"
    choice = f"{', '.join(map(str, near))}, or {offered}" if near else offered
    return f"same-data-robustness with simulation seed {proposal.simulation_seed}, on which nothing else runs", choice


def _different_data(
    slot: int, proposals: Sequence[ProposalReply], identity: str, facts: Facts, verdict: Verdict
) -> tuple[str, str] | None:
    seed = proposals[slot].simulation_seed
    twin = any(
        proposals[other].simulation_seed == seed
        and proposals[other].seed_rationale != "same-data-robustness"
        and (item := verdict.accepted[other]) is not None
        and item.config.identity() == identity
        for other in range(slot)
    )
    if seed not in facts.seeds_of(identity) and not twin:
        return None
    fresh = facts.seeds[slot].simulation_seed
    return (
        f"different-data-generalization with simulation seed {seed}, on which this config runs already",
        f"a simulation seed new to the config such as {fresh}, or same-data-robustness",
    )


def _parent_seed(proposal: ProposalReply, facts: Facts) -> int | None:
    run = None if proposal.parent == "root" else facts.parent_run(int(proposal.parent))
    return None if run is None else run.simulation_seed
