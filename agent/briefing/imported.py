"""What a prompt shows of the nodes that were imported from a predecessor's log, and of the figures that it states."""

from __future__ import annotations

from typing import Any

from agent.briefing.evidence import stated_effect_lines
from agent.briefing.slot_view import explored_values
from agent.ledger.ledger import Ledger
from prompts.context import ImportedView, NodeView
from state.metrics import REWARD, main
from state.shapes import ImportedNode
from ucb.counted import render_counted
from ucb.log_tree import departures
from ucb.score import Score

# A limit that keeps prompts equally long, however long the log was.
SHOWN_IMPORTED = 100
LONGEST_MUTATION = 120
SHOWN_STATED = 24


def imported_views(ledger: Ledger) -> list[ImportedView]:
    """The nodes that may be parents first, each group by stated connectivity_R2; at most SHOWN_IMPORTED."""
    nodes = sorted(ledger.history.imported.values(), key=_interest)
    return [_view(ledger, node) for node in nodes[:SHOWN_IMPORTED]]


def _interest(node: ImportedNode) -> tuple[bool, float, int]:
    return node["departures"] is None, -node["metrics"].get(REWARD, -1.0), node["id"]


def _view(ledger: Ledger, node: ImportedNode) -> ImportedView:
    config = ledger.views.parent_config(node["id"])
    values = None if config is None else explored_values(ledger, config)
    base = ledger.campaign.base_config().flat()
    return ImportedView(
        node=node["id"],
        parent=node["parent"],
        stated={
            row.short: node["metrics"][row.name] for row in main(ledger.campaign.format) if row.name in node["metrics"]
        },
        mutation=_shortened(node["mutation"]),
        changes={key.rpartition(".")[2]: value for key, value in departures(base, values or {}).items()},
        values=values,
        has_run=config is not None and config.identity() in ledger.history.config_ids,
    )


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_MUTATION else f"{text[: LONGEST_MUTATION - 3]}..."


def stated_facts(ledger: Ledger, shown_configs: int) -> dict[str, Any]:
    """What prompts show in which stated figures count; nothing where the import did not ask for that.

    The variance table with as many configs as ``shown_configs``, possible parents by UCB, and effects of keys.
    """
    views, history = ledger.views, ledger.history
    if not views.stated.used:
        return {}
    scores = views.stated_scores().scores
    return {
        "stated_used": True,
        "stated_nodes": [_node_view(ledger, score) for score in scores[:SHOWN_STATED]],
        "more_stated": max(0, len(scores) - SHOWN_STATED),
        "stated_effects": stated_effect_lines(ledger) if history.iterations else [],
        "variance_table": render_counted(
            views.table, views.stated.counted(views.table, history.config_ids), shown_configs
        ),
    }


def _node_view(ledger: Ledger, score: Score) -> NodeView:
    config = ledger.views.parent_config(score.node)
    assert config is not None, "only nodes whose config is known are told"
    return NodeView(
        node=score.node,
        parent=score.parent,
        config_id=ledger.views.stated.name_of(score.node, ledger.history.config_ids),
        ucb=score.ucb,
        visits=score.visits,
        reward=ledger.views.stated.reward(score.node),
        mutation=_shortened(score.mutation),
        pattern="",
        minutes=ledger.views.times.predict(config),
        values=explored_values(ledger, config),
    )
