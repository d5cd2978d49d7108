"""How promising each node of a block is (PUCT or UCB1), and the score file."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from state.search import Reward
from ucb.grammar import LogError, one_line, read_node, read_number, show_node, show_number
from ucb.tree import TreeNode

Formula = Literal["puct", "ucb1"]

_HEADER = re.compile(
    r"=== UCB Scores \((?:Simulation )?block ([0-9]{1,9}), iters ([0-9]{1,9})-([0-9]{1,9}), "
    r"N=([0-9]{1,9}), c=([^ ,)]+)(?:, (puct|ucb1)(, config_mean)?)?\) ==="
)
_SCORE = re.compile(
    r"Node ([0-9]{1,9}): UCB=([^ ,]+), parent=([^ ,]+), visits=([0-9]{1,9}), R2=([^ ,]+)"
    r"(?:, Pearson=([^ ,]+))?(?:, Cluster=([^ ,]+))?, Mutation=(.*)"
)


@dataclass(frozen=True)
class Block:
    """A block's number and its first and last iteration."""

    number: int
    first: int
    last: int

    def __contains__(self, iteration: object) -> bool:
        return isinstance(iteration, int) and self.first <= iteration <= self.last


@dataclass(frozen=True)
class Score:
    """One node's score. ``parent`` None is the root or a node outside the block; metrics None are undefined."""

    node: int
    ucb: float
    parent: int | None
    visits: int
    connectivity_R2: float | None
    test_pearson: float | None
    cluster_accuracy: float | None
    mutation: str


@dataclass(frozen=True)
class ScoreTable:
    """A score file: its header and its lines, best first."""

    block: Block
    c: float
    formula: Formula
    scores: tuple[Score, ...]
    reward: Reward = "run"


def block_of(iteration: int, n_iter_block: int, n_parallel: int = 1) -> Block:
    """The block of ``iteration``; blocks and iterations both count from 1.

    A block is whole batches: it ends with the batch in which any iteration reaches a multiple of ``n_iter_block``.
    Where that is smaller than a batch, each batch is a block.
    """
    length = max(n_iter_block, n_parallel)
    before = (iteration - 1) // n_parallel * n_parallel // length
    first, last = (-(-number * length // n_parallel) * n_parallel for number in (before, before + 1))
    return Block(before + 1, first + 1, last)


def score_block(
    nodes: Iterable[TreeNode],
    block: Block,
    c: float,
    formula: Formula = "puct",
    means: Mapping[int, float] | None = None,
    below: Mapping[int, tuple[int, float]] | None = None,
) -> ScoreTable:
    """Scores of the ``nodes`` in ``block``, best first (ties: the earlier node first).

    V = 1 + descendants of a node within the block, N = nodes in the block, r = connectivity_R2 (0 if failed).
    puct: r + c sqrt(N) / (1 + V), after the prior-weighted rule of Silver et al. 2017 with equal priors.
    ucb1: mean of r over the V nodes of the subtree + c sqrt(ln N / V) (Auer, Cesa-Bianchi and Fischer 2002).

    ``means``: node -> r, where it is not the node's own but the mean of its config (`search.ucb_reward`).
    ``below``: node -> how many descendants outside ``nodes`` count as its own, and the sum of their r.
    """
    inside = [node for node in nodes if node.id in block]
    known = {node.id for node in inside}
    parents = {node.id: node.parent if node.parent in known else None for node in inside}
    rewards = {node.id: node.connectivity_R2 or 0.0 for node in inside}
    rewards |= {number: mean for number, mean in (means or {}).items() if number in rewards}
    more = {number: (below or {}).get(number, (0, 0.0)) for number in rewards}
    visits, totals = _subtrees(parents, rewards, more)
    n = len(inside) + sum(count for count, _ in more.values())

    def ucb(i: int) -> float:
        if formula == "puct":
            return rewards[i] + c * math.sqrt(n) / (1 + visits[i])
        return totals[i] / visits[i] + c * math.sqrt(math.log(n) / visits[i])

    scores = [_score(node, ucb(node.id), parents[node.id], visits[node.id]) for node in inside]
    best_first = tuple(sorted(scores, key=lambda score: (-score.ucb, score.node)))
    return ScoreTable(block, c, formula, best_first, "run" if means is None else "config_mean")


def _score(node: TreeNode, ucb: float, parent: int | None, visits: int) -> Score:
    conn, pearson, cluster = (node.metrics.get(k) for k in ("connectivity_R2", "test_pearson", "cluster_accuracy"))
    return Score(node.id, ucb, parent, visits, conn, pearson, cluster, one_line(node.mutation))


def _subtrees(
    parents: dict[int, int | None], rewards: dict[int, float], more: dict[int, tuple[int, float]]
) -> tuple[dict[int, int], dict[int, float]]:
    """Size and summed reward of the subtree under each node, in linear time: leaves are folded into their parents.

    ``more``: node -> size and summed reward of what hangs below it besides.
    """
    sizes = {node: 1 + more[node][0] for node in parents}
    totals = {node: rewards[node] + more[node][1] for node in parents}
    waiting = Counter(parents.values())
    ready = [node for node in parents if node not in waiting]
    while ready:
        node = ready.pop()
        parent = parents[node]
        if parent is None:
            continue
        sizes[parent] += sizes[node]
        totals[parent] += totals[node]
        waiting[parent] -= 1
        if not waiting[parent]:
            ready.append(parent)
    return sizes, totals


def render_scores(table: ScoreTable) -> str:
    """`ucb_scores.txt`: a header line, then one line a node."""
    block, n = table.block, len(table.scores)
    where = f"block {block.number}, iters {block.first}-{block.last}"
    of_means = ", config_mean" if table.reward == "config_mean" else ""
    header = f"=== UCB Scores ({where}, N={n}, c={show_number(table.c)}, {table.formula}{of_means}) ==="
    return "\n".join([header, "", *map(_show_score, table.scores)]) + "\n"


def _show_score(score: Score) -> str:
    r2, pearson, cluster = map(_short, (score.connectivity_R2, score.test_pearson, score.cluster_accuracy))
    return (
        f"Node {score.node}: UCB={score.ucb:.3f}, parent={show_node(score.parent)}, visits={score.visits}, "
        f"R2={r2}, Pearson={pearson}, Cluster={cluster}, Mutation={score.mutation}"
    )


def _short(value: float | None) -> str:
    return "nan" if value is None else f"{value:.3f}"


def parse_scores(text: str, name: str = "ucb_scores.txt") -> ScoreTable:
    """Read a score file, this program's or its predecessor's; figures come back as rounded there.

    LogError names the line. A predecessor's header names no formula: it was puct.
    """
    rows = text.split("\n")
    header = _HEADER.fullmatch(rows[0])
    if not header:
        expected = "=== UCB Scores (block B, iters F-L, N=n, c=c, puct) ==="
        raise LogError(f"{name} line 1: found {rows[0][:60]!r}, expected `{expected}`")
    number, first, last, n = map(int, header.groups()[:4])
    scores = tuple(_read_score(row, f"{name} line {at}") for at, row in enumerate(rows[1:], 2) if row.strip())
    if len(scores) != n:
        raise LogError(f"{name}: found {len(scores)} nodes, expected N={n} as its header says")
    c = read_number(header[5])
    if c is None:
        raise LogError(f"{name} line 1: found c=nan, expected a number")
    formula: Formula = "ucb1" if header[6] == "ucb1" else "puct"
    return ScoreTable(Block(number, first, last), c, formula, scores, "config_mean" if header[7] else "run")


def _read_score(row: str, where: str) -> Score:
    match = _SCORE.fullmatch(row)
    if not match:
        raise LogError(f"{where}: found {row[:60]!r}, expected `Node I: UCB=..., parent=..., visits=..., R2=..., ...`")
    node, ucb, parent, visits, *metrics, mutation = match.groups()
    try:
        conn, pearson, cluster = (read_number(text or "nan") for text in metrics)
        return Score(int(node), _finite(ucb), read_node(parent), int(visits), conn, pearson, cluster, mutation)
    except LogError as error:
        raise LogError(f"{where}: {error}") from error


def _finite(text: str) -> float:
    value = read_number(text)
    if value is None:
        raise LogError("found nan, expected a number")
    return value
