"""Which configs the next prompt compares: those of the batch and the best one, with baseline and parent."""

from __future__ import annotations

from agent.ledger.ledger import Ledger
from prompts.context import VerdictView
from state.history import Iteration
from ucb.compare import compare, render_comparison

COMPARED = ("connectivity_R2", "V_rest_R2", "tau_R2")
BASELINE = "C1"
# More runs change a verdict little, and a long night must not slow down as its best config is run again and again.
LATEST_RUNS = 48


def comparisons(ledger: Ledger, slots: list[Iteration]) -> list[VerdictView]:
    """At most two a slot and one of the best config; the baseline is compared with nothing."""
    pairs: dict[tuple[str, str], str] = {}
    for iteration in slots:
        config = iteration.planned.config_id
        pairs[config, BASELINE] = f"the baseline {BASELINE}"
        parent = ledger.history.iterations.get(iteration.planned.parent or 0)
        if parent is not None:
            pairs.setdefault((config, parent.planned.config_id), f"its parent's config {parent.planned.config_id}")
    for best in ledger.views.table.ranking(1):
        pairs.setdefault((best.config_id, BASELINE), f"the baseline {BASELINE} (the best config so far)")
    return [
        _kept_view(ledger, config, reference).model_copy(update={"against": words})
        for (config, reference), words in pairs.items()
        if config not in (BASELINE, reference) and config in ledger.views.table and reference in ledger.views.table
    ]


def _kept_view(ledger: Ledger, config: str, reference: str) -> VerdictView:
    """Made anew only when one of the two has run again."""
    pair, views = (config, reference), ledger.views
    stats = views.table[config], views.table[reference]
    known = views.compared.get(pair)
    if known is None or known[0] is not stats[0] or known[1] is not stats[1]:
        known = views.compared[pair] = (*stats, _view(ledger, config, reference))
    return known[2]


def _view(ledger: Ledger, config: str, reference: str) -> VerdictView:
    runs, others = (ledger.views.table[name].runs[-LATEST_RUNS:] for name in (config, reference))
    found = [compare(runs, others, metric) for metric in COMPARED]
    return VerdictView(
        config_id=config,
        against=reference,
        verdicts={comparison.metric: comparison.verdict for comparison in found},
        sentences=[render_comparison(comparison) for comparison in found],
    )
