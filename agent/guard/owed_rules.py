"""The replicates of a batch go to the configs that need runs (the addendum: "pick a config that needs more runs")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from agent.guard.confirmation import confirmation_slots
from agent.guard.rule import Breach, Case, Rule, Step
from agent.guard.ruling import Accepted
from prompts.context import Demand


def served(accepted: Sequence[Accepted | None], demand: Demand, config_ids: Mapping[str, str]) -> dict[str, int]:
    """Config that needs runs -> how many of the runs that it lacks the accepted replicates make."""
    replicates = (item for item in accepted if item is not None and item.is_replicate)
    made = Counter(config_ids.get(item.config.identity(), "") for item in replicates)
    return {one.config_id: min(made[one.config_id], one.lacks) for one in demand.short}


def _owed_replicates(case: Case) -> Iterator[Breach]:
    if case.screens:
        return
    demand = case.facts.demand
    have = sum(served(case.accepted, demand, case.facts.config_ids).values())
    # A refused slot counts as a possible one: its own violation is reported already, and so are too few replicates.
    unknown = case.unknown
    replicates = sum(item.is_replicate for _, item in case.passed)
    if have + unknown < demand.short_replicates and replicates + unknown >= demand.min_replicates:
        found = f"{have} replicates of the configs that need runs"
        yield Breach(None, "parent", found, f"at least {demand.short_replicates} of these: {_lacking(demand)}")
    yield from _enough_already(case, sum(one.lacks for one in demand.short) - have - unknown)


def _enough_already(case: Case, lacking: int) -> Iterator[Breach]:
    """Replicates of configs that have enough, while ``lacking`` runs of others are owed; a trial's own are none."""
    facts = case.facts
    confirming = confirmation_slots(case.accepted, facts.demand.owed, facts.config_ids)
    for slot, item in case.passed:
        name = facts.config_ids.get(item.config.identity(), "")
        replicate = item.is_replicate and slot not in confirming
        if lacking > 0 and replicate and facts.enough(name):
            found = f"a replicate of {name}, which has enough of them"
            yield Breach(slot, "parent", found, f"another role, or a run of one of these: {_lacking(facts.demand)}")


def _lacking(demand: Demand) -> str:
    return ", ".join(f"{one.config_id} ({one.lacks} more)" for one in demand.short)


OWED_RULE = Rule(
    "owed_replicates",
    Step.BATCH,
    "Of the replicates, as many as a prompt says are runs of the configs that it lists as needing runs; "
    "as long as one of these lacks a run, none is of a config with enough replicates.",
    _owed_replicates,
    setting="replicates",
)
