"""The screening batch that a prompt offers: around the best config known, the keys that were least tried so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.briefing.next_batch import barred, seed_offers
from agent.ledger.ledger import Ledger
from agent.ledger.policy import neighbours, work
from agent.ledger.screening import screening_lines, screenings, why_none
from prompts.context import Demand, Rule, Screening, ScreeningRun
from state.config import Scalar, SlotConfig
from state.errors import ConfigError
from state.policy import SCREENED_KEYS
from state.records import SCREENING_ROLE
from ucb.estimates import BASELINE
from ucb.grammar import render_mutation
from ucb.screening import half_fraction

# Key -> its second value.
Second = Mapping[str, Scalar]


def screening_facts(ledger: Ledger, demand: Demand, rules: Sequence[Rule]) -> dict[str, Any]:
    """What a prompt says of screening batches; nothing where the campaign allows none."""
    if not ledger.campaign.policy.screening:
        return {}
    keys = SCREENED_KEYS[ledger.campaign.search.n_parallel]
    reason = why_none(ledger, demand)
    offer = None if reason else _offer(ledger, keys, rules)
    if offer is None and not reason:
        reason = f"fewer than {keys} keys have another value that keeps every run within the time limit"
    return {
        "screened_keys": keys,
        "screening": offer,
        "no_screening": reason,
        "screened": screening_lines(ledger.views),
    }


def _offer(ledger: Ledger, keys: int, rules: Sequence[Rule]) -> Screening | None:
    """The batch around the config that is confirmed better, else the baseline; None where too few keys can be varied."""
    best = ledger.views.confirmations.best
    name = BASELINE if best is None else best.config_id
    if name not in ledger.views.table or (node := _node(ledger, name)) is None:
        return None
    parent = ledger.views.config(ledger.history.iterations[node])
    second = _second_values(ledger, parent, keys, rules)
    if len(second) < keys:
        return None
    flat = parent.flat()
    steps = {key: (flat[key], second[key]) for key in ledger.campaign.explorable if key in second}
    return Screening(
        config_id=name,
        parent=node,
        simulation_seed=seed_offers(ledger)[0].shared_simulation_seed,
        keys=steps,
        runs=[_run(slot, node, steps, levels) for slot, levels in enumerate(half_fraction(keys))],
        left=ledger.campaign.policy.screening - len(screenings(ledger.history)),
    )


def _run(slot: int, node: int, steps: Mapping[str, tuple[Scalar, Scalar]], levels: Sequence[bool]) -> ScreeningRun:
    changes = {key: step for (key, step), changed in zip(steps.items(), levels, strict=True) if changed}
    mutation = render_mutation(changes, SCREENING_ROLE, node)
    return ScreeningRun(slot=slot, edits={key: new for key, (_, new) in changes.items()}, mutation=mutation)


def _node(ledger: Ledger, name: str) -> int | None:
    """The latest node of a config that every slot may name as its parent."""
    closed = {node for _, node in barred(ledger)}
    nodes = (run.iteration for run in reversed(ledger.views.table[name].runs))
    return next((node for node in nodes if node not in closed), None)


def _second_values(ledger: Ledger, parent: SlotConfig, keys: int, rules: Sequence[Rule]) -> dict[str, Scalar]:
    """Second values of ``keys`` keys, fewer where more would not fit: of each key its next value, least tried first."""
    tried, chosen = _tried(ledger), dict[str, Scalar]()
    for rule in sorted(rules, key=lambda rule: tried[rule.key]):
        if len(chosen) == keys:
            break
        more = ({**chosen, rule.key: value} for value in _values(ledger, parent, rule))
        chosen = next((second for second in more if _fits(ledger, parent, keys, second)), chosen)
    return chosen


def _tried(ledger: Ledger) -> Counter[str]:
    """Key -> how many runs were planned with a change of it."""
    return Counter(key for iteration in ledger.history.iterations.values() for key in iteration.planned.changes)


def _values(ledger: Ledger, parent: SlotConfig, rule: Rule) -> Iterator[Scalar]:
    """The next values above and below the parent's, those first that no run has had."""
    planned = (iteration.planned for iteration in ledger.history.iterations.values())
    had = {one.changes[rule.key][1] for one in planned if rule.key in one.changes}
    yield from sorted(neighbours(rule, parent.flat()[rule.key]), key=lambda value: value in had)


def _fits(ledger: Ledger, parent: SlotConfig, keys: int, second: Second) -> bool:
    """Whether every run of a batch of ``keys`` keys may run, as far as those of ``second`` go."""
    together = {levels[: len(second)] for levels in half_fraction(keys)}
    return all(
        _may_run(ledger, parent, {key: value for (key, value), changed in zip(second.items(), levels, strict=True) if changed})
        for levels in together
    )


def _may_run(ledger: Ledger, parent: SlotConfig, changes: Second) -> bool:
    """Whether it is a config that takes no longer than the parent's, or is predicted to stay within the limit."""
    try:
        child = parent.replaced(dict(changes))
    except ConfigError:
        return False
    minutes = ledger.views.times.predict(child)
    return work(child) <= work(parent) or minutes is None or minutes <= ledger.campaign.policy.time_limit_min
