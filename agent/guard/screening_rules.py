"""A screening batch: all slots from one config, on one data seed, in the half fraction's pattern, or no slot."""

from __future__ import annotations

from collections.abc import Iterator

from agent.guard.rule import Breach, Case, Rule, Step, breach
from agent.guard.ruling import Accepted
from state.policy import SCREENED_KEYS


def _allowed(case: Case) -> Iterator[Breach]:
    if case.facts.screening is not None:
        return
    for slot, item in case.passed:
        if item.screens:
            yield Breach(slot, "role", "screening", f"another role: {case.facts.no_screening}")


def _one_parent(case: Case) -> Iterator[Breach]:
    items = _all_slots(case)
    configs = [case.facts.parent_config(item.proposal.node) for item in items]
    for slot, config in enumerate(configs):
        if config is not None and configs[0] is not None and config.identity() != configs[0].identity():
            allowed = f"a node of the config of {items[0].proposal.parent}, the parent in slot 0"
            yield Breach(slot, "parent", f"{items[slot].proposal.parent}, a node of another config", allowed)


def _one_data_seed(case: Case) -> Iterator[Breach]:
    for slot, item in enumerate(_all_slots(case)):
        shared, seed = case.facts.seeds[slot].shared_simulation_seed, item.proposal.simulation_seed
        if seed != shared:
            yield Breach(slot, "simulation_seed", f"{seed}", f"{shared}, the shared one that is offered")


def _pattern(case: Case) -> Iterator[Breach]:
    """As many keys as the batch can tell of, in each slot another even number of them: the half fraction's runs."""
    items, many = _all_slots(case), SCREENED_KEYS.get(len(case.accepted), 0)
    keys = dict.fromkeys(key for item in items for key in item.changes)
    if items and len(keys) != many:
        found = f"{len(keys)} changed keys in the batch: {', '.join(keys) or 'none'}"
        yield breach(0, "edits", found, f"exactly {many} keys over all slots")
        return
    seen: set[frozenset[str]] = set()
    for slot, item in enumerate(items):
        changed = frozenset(item.changes)
        if len(changed) % 2 or changed in seen:
            allowed = "none in one slot, and in each other slot another even number of the keys, as in the offer"
            yield breach(slot, "edits", f"changes of {', '.join(item.changes) or 'no key, again'}", allowed)
        seen.add(changed)


def _second_value(case: Case) -> Iterator[Breach]:
    first: dict[str, object] = {}
    for slot, item in enumerate(_all_slots(case)):
        for key, (_, value) in item.changes.items():
            if first.setdefault(key, value) != value:
                yield breach(slot, key, f"{value} beside {first[key]} in another slot", "one second value a key")


def _all_slots(case: Case) -> list[Accepted]:
    """The items of a screening batch; none where some slot is no screening: then the batch is none."""
    items = [item for _, item in case.passed if item.screens]
    return items if len(items) == len(case.accepted) else []


def _whole(case: Case) -> Iterator[Breach]:
    others = [slot for slot, item in enumerate(case.accepted) if item is None or not item.screens]
    for slot, item in case.passed if others else ():
        if item.screens:
            found = f"screening beside slot {', '.join(map(str, others))}, which is refused or none"
            yield Breach(slot, "role", found, "all slots as in the offer, or no slot")


SCREENING_RULES = (
    Rule(
        "screening_allowed",
        Step.POLICY,
        "The role `screening` is taken only where a prompt offers a screening batch: after the baseline, while no "
        "confirmation runs are owed, and as often as the campaign allows.",
        _allowed,
        screening=True,
    ),
    Rule(
        "screening_parent",
        Step.SCREENING,
        "All slots of a screening batch start from one config.",
        _one_parent,
        screening=True,
    ),
    Rule(
        "screening_data",
        Step.SCREENING,
        "All slots of a screening batch are on the shared simulation seed that is offered, so that what the data do "
        "falls out of the effects.",
        _one_data_seed,
        screening=True,
    ),
    Rule(
        "screening_pattern",
        Step.SCREENING,
        "A screening batch varies exactly {screened_keys} keys: no edits in one slot, and in each other slot another "
        "even number of the keys, as in the offer. The limit of changed keys a mutation does not hold in it.",
        _pattern,
        screening=True,
    ),
    Rule(
        "screening_values",
        Step.SCREENING,
        "In a screening batch each key has the parent's value or one second value, the same in all slots.",
        _second_value,
        screening=True,
    ),
    Rule(
        "screening_whole",
        Step.BATCH,
        "A screening batch takes all slots, in place of the roles and replicates of one batch, or no slot. What is "
        "owed stays owed.",
        _whole,
        screening=True,
    ),
)
