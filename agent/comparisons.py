"""Which configs a batch prompt compares: those of the batch with their parents and the baseline, and the best ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from agent.ledger import Ledger
from agent.slot_view import parent_config_id
from prompts.context import ComparisonView
from state.history import Iteration
from ucb.compare import Comparison, compare, render_comparison
from ucb.variance import ConfigStats

METRICS = ("connectivity_R2", "V_rest_R2")
TOP = 3
# More runs than these change a verdict little, and a night must not slow down as its best config is run again.
LATEST_RUNS = 40

Relation = Literal["baseline", "parent"]


def comparisons(ledger: Ledger, slots: Sequence[Iteration]) -> list[ComparisonView]:
    """Each pair of configs once, in the order of the slots, then the top configs against the baseline."""
    views: list[ComparisonView] = []
    if not slots:
        return views
    seen: set[tuple[str, str]] = set()
    for name, against, relation in _pairs(ledger, slots):
        known = name in ledger.views.table and against in ledger.views.table
        if name != against and known and (name, against) not in seen:
            seen.add((name, against))
            views += [_view(ledger, name, against, relation, metric) for metric in METRICS]
    return views


def _pairs(ledger: Ledger, slots: Sequence[Iteration]) -> Iterator[tuple[str, str, Relation]]:
    baseline = parent_config_id(ledger, None)
    for iteration in slots:
        name = iteration.planned.config_id
        yield name, baseline, "baseline"
        yield name, parent_config_id(ledger, iteration.planned.parent), "parent"
    for stats in ledger.views.table.top(TOP):
        yield stats.config_id, baseline, "baseline"


def _view(ledger: Ledger, name: str, against: str, relation: Relation, metric: str) -> ComparisonView:
    found = compare_configs(ledger.views.table[name], ledger.views.table[against], metric)
    return ComparisonView(
        config_id=name,
        against=against,
        relation=relation,
        metric=metric,
        verdict=found.verdict,
        difference=found.difference,
        runs=found.runs,
        sentence=render_comparison(found),
    )


def compare_configs(candidate: ConfigStats, reference: ConfigStats, metric: str) -> Comparison:
    """`ucb.compare.compare` on the latest runs of both."""
    return compare(candidate.runs[-LATEST_RUNS:], reference.runs[-LATEST_RUNS:], metric)
