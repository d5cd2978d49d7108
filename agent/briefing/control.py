"""What the explorer of a control arm is told: its own runs and the baseline's, and nothing of anybody else's."""

from __future__ import annotations

from agent.briefing.config_view import node_view, own_view
from agent.briefing.results import hopeless, results
from agent.ledger.ledger import Ledger
from prompts.context import Context


def control_context(ledger: Ledger, context: Context) -> Context:
    """``context`` with the history of the control arm in place of the night's."""
    table = ledger.views.control
    scores = ledger.views.control_scores(context.block).scores
    return context.model_copy(
        update={
            "slots": [],
            "configs": [own_view(ledger, stats) for stats in table.top()],
            "nodes": [node_view(ledger, score) for score in scores],
            "results": results(ledger, table),
            "hopeless": hopeless(ledger, control=True),
            "imported": [],
            "hints": [],
        }
    )
