"""The screening batch that a prompt offers: around the best config known, the keys that were least tried so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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


def screening_facts(ledger: Ledger, demand: Demand, rules: Sequence[Rule]) -> dict[str, Any]:
    """What a prompt says of screening batches; nothing where the campaign allows none."""
    if not ledger.campaign.policy.screening:
        return {}
    keys = SCREENED_KEYS[ledger.campaign.search.n_parallel]
    offer = why_none(ledger, demand) or _offer(ledger, keys, rules, demand)
    told = {"no_screening": offer} if isinstance(offer, str) else {"screening": offer}
    return {"screened_keys": keys, "screened": screening_lines(ledger.views), **told}


def _offer(ledger: Ledger, keys: int, rules: Sequence[Rule], demand: Demand) -> Screening | str:
    """The batch around the config that is confirmed better, else the baseline; or why there can be none."""
    best = ledger.views.confirmations.best
    name = BASELINE if best is None else best.config_id
    if name not in ledger.views.table or (node := _node(ledger, name, demand)) is None:
        return f"{name} has no run that every slot may name as its parent"
    parent = ledger.views.config(ledger.history.iterations[node])
    times, limit = ledger.views.times, ledger.campaign.policy.time_limit_min
    candidates = _candidates(ledger, parent, rules)
    second = second_values(
        parent, keys, candidates, lambda child: within_limit(parent, child, times.predict(child), limit)
    )
    if len(second) < keys:
        return f"fewer than {keys} keys have another value that keeps every run within the time limit"
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


def _node(ledger: Ledger, name: str, demand: Demand) -> int | None:
    """The latest node of a config that every slot may name as its parent."""
    closed = {node for _, node in barred(ledger, demand)}
    nodes = (run.iteration for run in reversed(ledger.views.table[name].runs))
    return next((node for node in nodes if node not in closed), None)


def _candidates(ledger: Ledger, parent: SlotConfig, rules: Sequence[Rule]) -> dict[str, list[Scalar]]:
    """Key -> its next values above and below the parent's; keys and values first that fewer runs have had."""
    planned = [iteration.planned.changes for iteration in ledger.history.iterations.values()]
    changed = Counter(key for changes in planned for key in changes)
    had = {(key, new) for changes in planned for key, (_, new) in changes.items()}
    flat, found = parent.flat(), dict[str, list[Scalar]]()
    for rule in sorted(rules, key=lambda rule: changed[rule.key]):
        values = neighbours(rule, flat[rule.key])
        new = [value for value in values if (rule.key, value) not in had]
        found[rule.key] = [*new, *(value for value in values if value not in new)]
    return found


def second_values(
    parent: SlotConfig,
    keys: int,
    candidates: Mapping[str, Sequence[Scalar]],
    may_run: Callable[[SlotConfig], bool],
) -> dict[str, Scalar]:
    """The first ``keys`` keys of ``candidates`` with a value of theirs, so that every run of their batch may run.

    Fewer where no more fit.
    """
    chosen = dict[str, Scalar]()
    for key, values in candidates.items():
        if len(chosen) == keys:
            break
        more = ({**chosen, key: value} for value in values)
        chosen = next((second for second in more if _fits(parent, keys, second, may_run)), chosen)
    return chosen


def _fits(parent: SlotConfig, keys: int, second: Mapping[str, Scalar], may_run: Callable[[SlotConfig], bool]) -> bool:
    """Whether every run of a batch of ``keys`` keys may run, as far as those of ``second`` go."""
    for together in {levels[: len(second)] for levels in half_fraction(keys)}:
        changes = {key: value for (key, value), changed in zip(second.items(), together, strict=True) if changed}
        try:
            if changes and not may_run(parent.replaced(changes)):
                return False
        except ConfigError:
            return False
    return True


def within_limit(parent: SlotConfig, child: SlotConfig, minutes: float | None, limit: float) -> bool:
    """Whether ``child`` takes no longer than its parent, or its predicted ``minutes`` are not over ``limit``."""
    return work(child) <= work(parent) or minutes is None or minutes <= limit
