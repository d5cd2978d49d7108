"""The replicates of a batch go to the configs that need runs (the addendum: "pick a config that needs more runs")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from agent.guard.verdict import Accepted, Facts, Verdict, Violation
from agent.ledger.policy import REPLICATE_ROLES
from prompts.context import Demand


def served(accepted: Sequence[Accepted | None], demand: Demand, config_ids: Mapping[str, str]) -> dict[str, int]:
    """Config that needs runs -> how many of the runs that it lacks the accepted replicates make."""
    replicates = (item for item in accepted if item is not None and item.proposal.role in REPLICATE_ROLES)
    made = Counter(config_ids.get(item.config.identity(), "") for item in replicates)
    return {one.config_id: min(made[one.config_id], one.lacks) for one in demand.short}


def check_owed(facts: Facts, verdict: Verdict) -> None:
    """Whether enough of the batch's replicates are of the configs that need runs."""
    need, demand = facts.demand.short_replicates, facts.demand
    have = sum(served(verdict.accepted, demand, facts.config_ids).values())
    # A refused slot counts as a possible one: its own violation is reported already, and so are too few replicates.
    unknown = sum(accepted is None for accepted in verdict.accepted)
    replicates = sum(1 for item in verdict.accepted if item and item.proposal.role in REPLICATE_ROLES)
    if have + unknown < need and replicates + unknown >= demand.min_replicates:
        lacking = ", ".join(f"{one.config_id} ({one.lacks} more)" for one in demand.short)
        violation = Violation(
            code="owed_replicates",
            slot=None,
            key="parent",
            found=f"{have} replicates of the configs that need runs",
            allowed=f"at least {need} of these: {lacking}",
        )
        mode = facts.campaign.policy.replicates
        (verdict.violations if mode == "reject" else verdict.warnings).append(violation)
