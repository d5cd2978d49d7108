"""What the next batch must hold and may use: replicates owed, seeds offered, nodes barred, time left unused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from agent.ledger.ledger import Ledger
from agent.ledger.policy import demand, longer_by, next_slot_node, slot_minutes
from prompts.context import Candidate, Demand, Owed, ReplicateRules, RunAhead, SeedOffer
from state.campaign import Campaign
from state.records import CONTROL_ROLE
from ucb.confirm import Leader


def next_demand(ledger: Ledger) -> Demand:
    """What the next batch must hold; of the replicates some may be owed to a candidate, some run ahead already."""
    campaign, views = ledger.campaign, ledger.views
    found = demand(campaign, len(ledger.history.iterations), views.standings(campaign.policy.top_configs))
    if not found.baseline and campaign.control is not None:
        found = found.model_copy(update={"control": campaign.control_slots})
    found = _without_ahead(found, ahead := runs_ahead(ledger))
    candidates = [one for one in (_still_owed(leader, ahead) for leader in views.confirmations.owed()) if one.seeds]
    if campaign.format == 1 or found.baseline or not candidates:
        return found
    trial = views.confirmations.open
    if campaign.policy.design == "forced_seeds":
        found = found.model_copy(update={"min_replicates": campaign.search.n_parallel})
    runs = min(found.min_replicates, *(len(one.seeds) for one in candidates))
    if trial is not None:
        confirming = [one for one in ahead if one.simulation_seed in trial.left and one.config_id == trial.config_id]
        runs = min(runs, trial.target - len(trial.expected) - len(confirming))
    if runs < 1:
        return found
    offered = [
        Candidate(config_id=one.config_id, simulation_seeds=list(one.seeds[: campaign.search.n_parallel]))
        for one in candidates
    ]
    return found.model_copy(update={"owed": Owed(runs=runs, candidates=offered)})


def runs_ahead(ledger: Ledger) -> list[RunAhead]:
    """The slots of the next batch that are taken, by slot."""
    return [
        RunAhead(
            slot=slot,
            iteration=planned.iteration,
            config_id=planned.config_id,
            parent=planned.parent or 0,
            simulation_seed=planned.simulation_seed,
        )
        for slot, planned in sorted((slot, one.planned) for slot, one in ledger.history.ahead.items())
    ]


def _without_ahead(found: Demand, ahead: list[RunAhead]) -> Demand:
    """What is left to ask for where some replicates run already."""
    if not ahead:
        return found
    made = Counter(one.config_id for one in ahead)
    short = [one.model_copy(update={"lacks": one.lacks - made[one.config_id]}) for one in found.short]
    left = {
        "min_replicates": max(0, found.min_replicates - len(ahead)),
        "short": [one for one in short if one.lacks > 0],
        "ahead": ahead,
    }
    return found.model_copy(update=left)


def _still_owed(leader: Leader, ahead: list[RunAhead]) -> Leader:
    """The leader without the data seeds on which it runs ahead."""
    taken = [one.simulation_seed for one in ahead if one.config_id == leader.config_id]
    return replace(leader, seeds=tuple(seed for seed in leader.seeds if seed not in taken))


def replication(campaign: Campaign) -> ReplicateRules:
    """The policy for replicates, as the prompts state it."""
    policy, limits = campaign.policy, campaign.thresholds
    return ReplicateRules(
        baseline_runs=policy.baseline_runs,
        min_replicates=policy.min_replicates,
        min_replicates_later=policy.min_replicates_later,
        top_configs=policy.top_configs,
        runs_of_top=policy.runs_of_top,
        enough_runs=limits.enough_runs,
        enough_cv_std=limits.enough_cv_std,
    )


def seed_offers(ledger: Ledger) -> list[SeedOffer]:
    """The pair of seeds that each slot is offered, on new data, and one data seed for all of them."""
    seeds, first = ledger.campaign.seeds, ledger.history.next_iteration
    return [
        SeedOffer(
            slot=slot,
            simulation_seed=seeds.simulation_base + first + slot,
            training_seed=seeds.training_base + first + slot,
            shared_simulation_seed=seeds.simulation_base + first,
        )
        for slot in range(ledger.campaign.search.n_parallel)
    ]


def barred(ledger: Ledger, demand: Demand) -> list[tuple[int, int]]:
    """Slots, and the node that each of them may not name as parent: id+1; without the control arm's."""
    n, last, runs = ledger.campaign.search.n_parallel, ledger.history.last_node, ledger.history.iterations
    nodes = ((slot, next_slot_node(slot, n, last)) for slot in range(n) if slot not in demand.control)
    known = [(slot, node) for slot, node in nodes if node is not None]
    return [(slot, node) for slot, node in known if runs[node].planned.role != CONTROL_ROLE]


def room(ledger: Ledger) -> str:
    """What the newest batch leaves of the time that the campaign wants used; '' where it uses enough or none is wanted.

    The addendum's limit is from above; the predecessor's newest instructions have one from below as well.
    """
    policy, known = ledger.campaign.policy, ledger.history.batch(ledger.history.planned)
    minutes = [taken for it in known if it.result is not None and (taken := slot_minutes(it.result)) is not None]
    keys, longest = longer_by(ledger.campaign), max(minutes, default=policy.time_limit_min)
    if longest >= policy.time_floor * policy.time_limit_min or not keys:
        return ""
    return (
        f"The longest slot took {longest:.1f} min, {100 * longest / policy.time_limit_min:.0f} % of the limit; this "
        f"campaign wants {100 * policy.time_floor:g} % used: raise {keys}."
    )
