"""How much of a night stands on its page: everything of an ordinary one, a summary of a very long one.

A page of 40,000 runs would be too large for any browser. Then the latest runs, those of the best configs and their
ancestors stand on it whole, and every other run as one line; `nightfly serve` sends what is missing when it is asked
for.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.ledger.ledger import Ledger

MOST_WHOLE = 2000
LATEST = 8
BEST_CONFIGS, RUNS_OF_EACH = 8, 50


@dataclass(frozen=True)
class Limits:
    """Budgets of one page: bytes of pictures of slots and of batches, characters of prompts and of entries, points of
    curves, rows of tables.

    ``whole``: the runs of which all facts stand on the page, None = all.
    """

    pictures: int = 6_000_000
    batch_pictures: int = 2_000_000
    texts: int = 4_000_000
    entries: int = 6_000_000
    points: int = 100_000
    rows: int | None = None
    whole: frozenset[int] | None = None

    def holds(self, number: int) -> bool:
        """Whether all facts of a run stand on the page."""
        return self.whole is None or number in self.whole


def limits_of(ledger: Ledger) -> Limits:
    """The budgets for the night of ``ledger``."""
    if len(ledger.views.tree) <= MOST_WHOLE:
        return Limits()
    return Limits(1_500_000, 500_000, 1_000_000, 1_500_000, 30_000, 200, frozenset(_with_ancestors(ledger)))


def by_interest(ledger: Ledger) -> list[int]:
    """The latest slots, then the latest of the best configs, then all others, newest first."""
    numbers = sorted((node.id for node in ledger.views.tree.runs()), reverse=True)
    top = ledger.views.table.top(BEST_CONFIGS)
    best = [run.iteration for stats in top for run in reversed(stats.runs[-RUNS_OF_EACH:])]
    return list(dict.fromkeys([*numbers[:LATEST], *best, *numbers]))


def _with_ancestors(ledger: Ledger) -> set[int]:
    """The runs of most interest, each with the line that leads to it: with its last ones they may be a few more."""
    kept: set[int] = set()
    for number in by_interest(ledger):
        if len(kept) >= MOST_WHOLE:
            break
        node: int | None = number
        while node in ledger.history.iterations and node not in kept:
            kept.add(node)
            node = ledger.history.iterations[node].planned.parent
    return kept
