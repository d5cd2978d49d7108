"""Rules on seeds: in range, as offered where it is said so, and truly the test they claim."""

from __future__ import annotations

from collections.abc import Iterator

from agent.guard.rule import Breach, Case, Rule, Step, breach
from agent.guard.ruling import Accepted, Facts

SEED_LIMIT = 2**31
NAMED = 6


def _seed_range(case: Case) -> Iterator[Breach]:
    for one in case.drafts:
        for place, key in enumerate(("simulation_seed", "training_seed")):
            seed = getattr(one.proposal, key)
            if not 0 <= seed < SEED_LIMIT:
                yield breach(one.slot, key, seed, f"0 to {SEED_LIMIT - 1}", place)


def _seed_rationale(case: Case) -> Iterator[Breach]:
    for one in case.drafts:
        offer = case.facts.seeds[one.slot]
        pair = (one.proposal.simulation_seed, one.proposal.training_seed)
        offered = (offer.simulation_seed, offer.training_seed)
        if one.proposal.seed_rationale == "suggested-default" and pair != offered:
            found = f"suggested-default with seeds {pair[0]} and {pair[1]}"
            allowed = f"{offered[0]} and {offered[1]}, or another seed_rationale"
            yield breach(one.slot, "seed_rationale", found, allowed, place=2)


def _seed_mode(case: Case) -> Iterator[Breach]:
    """The addendum's two tests are what they say.

    same-data-robustness: the simulation seed is that of another slot of the batch (the addendum fixes it across all
    slots), of the parent's run, or of an earlier run of the same config. different-data-generalization: it is new to
    the config, in earlier batches and among the slots of this one that do not repeat data on purpose.
    """
    for slot, item in enumerate(case.accepted):
        if item is None:
            continue
        found = None
        if item.proposal.seed_rationale == "same-data-robustness":
            found = _same_data(slot, case, item.config.identity())
        elif item.proposal.seed_rationale == "different-data-generalization":
            found = _different_data(slot, case, item.config.identity())
        if found is not None:
            yield Breach(slot, "simulation_seed", *found)


def _same_data(slot: int, case: Case, identity: str) -> tuple[str, str] | None:
    """Found and allowed, where no other run is on the data."""
    facts, item = case.facts, case.accepted[slot]
    assert item is not None
    proposal, run = item.proposal, _parent_seed(item, facts)
    known = facts.seeds_of(identity)
    others = {
        other.simulation_seed
        for place, other in enumerate(case.reply.proposals)
        if other and place != slot and place not in facts.demand.of_program
    }
    others |= {one.simulation_seed for one in facts.demand.ahead}
    if proposal.simulation_seed in known | others | {run}:
        return None
    near = sorted(known)[-NAMED:] or ([run] if run is not None else [])
    offered = f"{facts.seeds[slot].shared_simulation_seed} in several slots"
    choice = f"{', '.join(map(str, near))}, or {offered}" if near else offered
    return f"same-data-robustness with simulation seed {proposal.simulation_seed}, on which nothing else runs", choice


def _different_data(slot: int, case: Case, identity: str) -> tuple[str, str] | None:
    """Found and allowed, where the config has runs on the data."""
    facts, mine = case.facts, case.accepted[slot]
    assert mine is not None
    seed = mine.proposal.simulation_seed
    twin = any(
        item.proposal.simulation_seed == seed
        and item.proposal.seed_rationale != "same-data-robustness"
        and item.config.identity() == identity
        for item in case.accepted[:slot]
        if item is not None
    )
    if seed not in facts.seeds_of(identity) and not twin:
        return None
    fresh = facts.seeds[slot].simulation_seed
    return (
        f"different-data-generalization with simulation seed {seed}, on which this config runs already",
        f"a simulation seed new to the config such as {fresh}, or same-data-robustness",
    )


def _parent_seed(item: Accepted, facts: Facts) -> int | None:
    run = facts.parent_run(item.proposal.node)
    return None if run is None else run.simulation_seed


SEED_RULES = (
    Rule("seed_range", Step.SEEDS, "Both seeds are given, whole numbers from 0 to {last_seed}.", _seed_range),
    Rule(
        "seed_rationale",
        Step.SEEDS,
        "`suggested-default` is exactly the pair of seeds that the slot was offered, which is on new data.",
        _seed_rationale,
    ),
    Rule(
        "seed_mode",
        Step.SEED_MODE,
        "`same-data-robustness` (training alone varies) has the simulation seed of the parent's run, of an earlier run "
        "of the config, or of another slot of the batch; `different-data-generalization` (both vary) has one that is "
        "new to the config.",
        _seed_mode,
    ),
)
