"""What a prompt shows of the nodes that were imported from a predecessor's log."""

from __future__ import annotations

from agent.briefing.slot_view import explored_values
from agent.ledger.ledger import Ledger
from prompts.context import ImportedView
from state.metrics import REWARD, main
from state.shapes import ImportedNode
from ucb.log_tree import departures

# A limit that keeps prompts equally long, however long the log was.
SHOWN_IMPORTED = 100
LONGEST_MUTATION = 120


def imported_views(ledger: Ledger) -> list[ImportedView]:
    """The nodes that may be parents first, each group by stated connectivity_R2; at most SHOWN_IMPORTED."""
    nodes = sorted(ledger.history.imported.values(), key=_interest)
    return [_view(ledger, node) for node in nodes[:SHOWN_IMPORTED]]


def _interest(node: ImportedNode) -> tuple[bool, float, int]:
    return node["departures"] is None, -node["metrics"].get(REWARD, -1.0), node["id"]


def _view(ledger: Ledger, node: ImportedNode) -> ImportedView:
    config = ledger.views.parent_config(node["id"])
    values = None if config is None else explored_values(ledger, config)
    base, text = ledger.campaign.base_config().flat(), node["mutation"]
    return ImportedView(
        node=node["id"],
        parent=node["parent"],
        stated={
            row.short: node["metrics"][row.name] for row in main(ledger.campaign.format) if row.name in node["metrics"]
        },
        mutation=text if len(text) <= LONGEST_MUTATION else f"{text[: LONGEST_MUTATION - 3]}...",
        changes={key.rpartition(".")[2]: value for key, value in departures(base, values or {}).items()},
        values=values,
        has_run=config is not None and config.identity() in ledger.history.config_ids,
    )
