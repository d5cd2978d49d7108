"""The designs of a batch other than the addendum's roles: one config on forced seeds, or one change a slot."""

from __future__ import annotations

from collections.abc import Iterator

from agent.guard.rule import Breach, Case, Rule, Step


def _one_config(case: Case) -> Iterator[Breach]:
    if case.facts.demand.baseline:
        return
    first = next((item.config.identity() for _, item in case.passed), None)
    for slot, item in case.passed:
        if item.config.identity() != first:
            yield Breach(slot, "edits", "another config than the slots before it", "one config in all slots")


def _forced_seeds(case: Case) -> Iterator[Breach]:
    owed = case.facts.demand.owed
    if case.facts.demand.baseline:
        return
    offered = {seed for one in owed.candidates for seed in one.simulation_seeds} if owed else set[int]()
    for slot, item in case.passed:
        seeds = case.facts.seeds[slot]
        forced = (seeds.simulation_seed, seeds.training_seed)
        given = (item.proposal.simulation_seed, item.proposal.training_seed)
        confirms = item.is_replicate and given[0] in offered
        if given != forced and not confirms:
            yield Breach(slot, "simulation_seed", f"{given[0]} and {given[1]}", f"{forced[0]} and {forced[1]}")


def _control(case: Case) -> Iterator[Breach]:
    item = None if case.facts.demand.baseline or not case.accepted else case.accepted[0]
    if item is not None and not item.is_replicate:
        yield Breach(0, "role", f"{item.proposal.role} in slot 0", "replicate: the parent unchanged")


def _one_parent(case: Case) -> Iterator[Breach]:
    if case.facts.demand.baseline or not case.accepted or case.accepted[0] is None:
        return
    control = case.accepted[0].config.identity()
    for slot, item in case.passed:
        parent = case.facts.parent_config(item.proposal.node)
        if slot and item.changes and parent is not None and parent.identity() != control:
            yield Breach(slot, "parent", f"{item.proposal.parent}", "a node of the config that slot 0 runs again")


def _one_change(case: Case) -> Iterator[Breach]:
    if case.facts.demand.baseline:
        return
    for slot, item in case.passed:
        if slot and len(item.changes) != 1:
            yield Breach(slot, "edits", f"{len(item.changes)} changed keys", "exactly one changed key")


DESIGN_RULES = (
    Rule(
        "one_config",
        Step.BATCH,
        "After the baseline all slots of a batch run one and the same config: the same edits of the same config.",
        _one_config,
        design="forced_seeds",
    ),
    Rule(
        "forced_seeds",
        Step.BATCH,
        "Each slot takes exactly the pair of seeds that it is offered; only a confirmation run takes one of its row.",
        _forced_seeds,
        design="forced_seeds",
    ),
    Rule(
        "control",
        Step.BATCH,
        "After the baseline slot 0 is the control: a `replicate`, the parent's config unchanged.",
        _control,
        design="one_change",
    ),
    Rule(
        "one_parent",
        Step.BATCH,
        "The parent of each other slot is a node of the config that slot 0 runs again.",
        _one_parent,
        design="one_change",
    ),
    Rule(
        "one_change",
        Step.BATCH,
        "Each slot but slot 0 changes exactly one key.",
        _one_change,
        design="one_change",
    ),
)
