"""The runs of a very long night of which the page holds only a line: columns, since names would be most of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.ledger.ledger import Ledger
from state.metrics import METRICS
from ucb.tree import TreeNode

DIGITS = 4


class _Words:
    """Texts that occur often, each once; a cell holds its place."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def place(self, text: str | None) -> int:
        """Where ``text`` stands; -1 for none."""
        return -1 if text is None else self.places.setdefault(text, len(self.places))


def brief_nodes(ledger: Ledger, nodes: Sequence[TreeNode], scores: Mapping[int, float]) -> dict[str, Any]:
    """Column -> its cells, in the order of ``nodes``; words stand in a list of their own, ``words``."""
    words = _Words()
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for node in nodes:
        for name, cell in zip(COLUMNS, _cells(ledger, node, words, scores.get(node.id)), strict=True):
            columns[name].append(cell)
    metrics = [[_short(node.metrics.get(name)) for node in nodes] for name in METRICS]
    return columns | {"metrics": metrics, "words": list(words.places)}


# Those of words come last.
COLUMNS = ("id", "parent", "ucb", "batch", "slot", "role", "status", "config", "mutation", "verdict", "failure")


def _cells(ledger: Ledger, node: TreeNode, words: _Words, score: float | None) -> list[Any]:
    iteration = ledger.history.iterations[node.id]
    planned, entry = iteration.planned, iteration.entry
    texts = (
        *(node.role, node.status, planned.config_id, node.mutation),
        *(entry["verdict"] if entry else None, node.failure),
    )
    return [node.id, node.parent, score, planned.batch, planned.slot, *map(words.place, texts)]


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
