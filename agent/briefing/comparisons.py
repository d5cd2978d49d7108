"""Which configs the next prompt compares: those of the batch with baseline, parent and current best."""

from __future__ import annotations

from agent.ledger.ledger import Ledger
from prompts.context import ComparisonView
from state.history import Iteration
from state.metrics import main
from ucb import compare_runs
from ucb.compare import render_comparison
from ucb.estimates import BASELINE

# More runs change a verdict little, and a long night must not slow down as its best config is run again and again.
LATEST_RUNS = 48


def comparisons(ledger: Ledger, slots: list[Iteration]) -> list[ComparisonView]:
    """At most three a slot; the baseline is compared with nothing. In the first release the best config was added."""
    pairs: dict[tuple[str, str], str] = {}
    for iteration in slots:
        config = iteration.planned.config_id
        pairs[config, BASELINE] = f"the baseline {BASELINE}"
        parent = ledger.history.iterations.get(iteration.planned.parent or 0)
        if parent is not None:
            pairs.setdefault((config, parent.planned.config_id), f"its parent's config {parent.planned.config_id}")
        if ledger.campaign.format > 1 and (won := ledger.views.confirmations.best) is not None:
            pairs.setdefault((config, won.config_id), f"the current best {won.config_id}")
    for best in ledger.views.table.ranking(1) if ledger.campaign.format == 1 else ():
        pairs.setdefault((best.config_id, BASELINE), f"the baseline {BASELINE} (the best config so far)")
    return [
        (_kept_view if ledger.campaign.format == 1 else _view)(ledger, config, reference).model_copy(
            update={"against": words}
        )
        for (config, reference), words in pairs.items()
        if config not in (BASELINE, reference) and config in ledger.views.table and reference in ledger.views.table
    ]


def _kept_view(ledger: Ledger, config: str, reference: str) -> ComparisonView:
    """Made anew only when one of the two has run again."""
    pair, views = (config, reference), ledger.views
    stats = views.table[config], views.table[reference]
    known = views.compared.get(pair)
    if known is None or known[0] is not stats[0] or known[1] is not stats[1]:
        known = views.compared[pair] = (*stats, _first_view(ledger, config, reference))
    return known[2]


def _view(ledger: Ledger, config: str, reference: str) -> ComparisonView:
    metrics = main(ledger.campaign.format)
    found = [ledger.views.estimates.compare(config, reference, metric.name) for metric in metrics]
    return ComparisonView(
        config_id=config,
        against=reference,
        standings={comparison.metric: comparison.standing for comparison in found},
        sentences=[render_comparison(comparison) for comparison in found],
    )


def _first_view(ledger: Ledger, config: str, reference: str) -> ComparisonView:
    """By the rules of the first release."""
    runs, others = (ledger.views.table[name].runs[-LATEST_RUNS:] for name in (config, reference))
    found = [compare_runs.compare(runs, others, metric.name) for metric in main(1)]
    return ComparisonView(
        config_id=config,
        against=reference,
        standings={comparison.metric: comparison.standing for comparison in found},
        sentences=[compare_runs.render_comparison(comparison) for comparison in found],
    )
