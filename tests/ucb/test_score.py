"""Scores follow their formulas, stay within the block, and reproduce the predecessor's file."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ucb.strategies import node
from ucb.grammar import LogError
from ucb.score import Block, block_of, parse_scores, render_scores, score_block
from ucb.tree import TreeNode

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"


@st.composite
def forests(draw: st.DrawFn) -> list[TreeNode]:
    """Nodes 1..n, each with an earlier parent or root."""
    n = draw(st.integers(1, 30))
    parents = [draw(st.none() | st.integers(1, i - 1)) if i > 1 else None for i in range(1, n + 1)]
    rewards = [draw(st.none() | st.floats(0, 1)) for _ in range(n)]
    return [node(i, parent, reward) for i, (parent, reward) in enumerate(zip(parents, rewards, strict=True), 1)]


def descendants(nodes: list[TreeNode], root: int) -> set[int]:
    found = {root}
    for item in nodes:
        if item.parent in found:
            found.add(item.id)
    return found


@given(forests(), st.integers(1, 12), st.floats(0, 3), st.sampled_from(["puct", "ucb1"]))
def test_scores_follow_the_definition(nodes: list[TreeNode], per_block: int, c: float, formula: str) -> None:
    block = block_of(len(nodes), per_block)
    inside = [item for item in nodes if item.id in block]
    table = score_block(nodes, block, c, formula)  # type: ignore[arg-type]
    assert sorted(score.node for score in table.scores) == [item.id for item in inside]
    assert [s.ucb for s in table.scores] == sorted((s.ucb for s in table.scores), reverse=True)
    reward = {item.id: item.connectivity_R2 or 0.0 for item in inside}
    for score in table.scores:
        below = descendants(inside, score.node)
        assert score.visits == len(below)
        assert score.parent is None or score.parent in block
        mean = sum(reward[i] for i in below) / len(below)
        puct = reward[score.node] + c * math.sqrt(len(inside)) / (1 + len(below))
        ucb1 = mean + c * math.sqrt(math.log(len(inside)) / len(below))
        assert score.ucb == pytest.approx(puct if formula == "puct" else ucb1)


@given(forests(), st.sampled_from(["puct", "ucb1"]))
def test_the_score_file_is_read_back_as_rounded(nodes: list[TreeNode], formula: str) -> None:
    table = score_block(nodes, block_of(len(nodes), 12), 1.414, formula)  # type: ignore[arg-type]
    back = parse_scores(render_scores(table))
    assert render_scores(back) == render_scores(table)
    assert [score.node for score in back.scores] == [score.node for score in table.scores]
    assert all(abs(a.ucb - b.ucb) <= 5.1e-4 for a, b in zip(back.scores, table.scores, strict=True))


def test_blocks_count_from_one() -> None:
    assert [block_of(i, 12) for i in (1, 12, 13)] == [Block(1, 1, 12), Block(1, 1, 12), Block(2, 13, 24)]


def test_mutation_with_line_breaks_stays_one_line() -> None:
    table = score_block([replace(node(1, None), mutation="a\nNode 2: UCB=9")], Block(1, 1, 12), 1.0)
    assert len(render_scores(table).strip().split("\n")) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1"),
        ("=== UCB Scores (block 1, iters 1-2, N=1, c=1.0, puct) ===\nNode x", "line 2"),
        ("=== UCB Scores (block 1, iters 1-2, N=2, c=1.0, puct) ===\n", "expected N=2"),
        ("=== UCB Scores (block 1, iters 1-2, N=0, c=nan, puct) ===\n", "c=nan"),
        (
            "=== UCB Scores (block 1, iters 1-2, N=1, c=1.0, puct) ===\n"
            "Node 1: UCB=inf, parent=root, visits=1, R2=0.5, Mutation=x",
            "line 2: .*finite",
        ),
    ],
)
def test_other_score_files_are_refused(text: str, message: str) -> None:
    with pytest.raises(LogError, match=message):
        parse_scores(text)


def predecessor_nodes(text: str) -> list[TreeNode]:
    """id, parent and connectivity_R2 of each entry of a predecessor's log."""
    found = re.findall(r"^Node: id=(\d+), parent=(\w+)$.*?^Metrics:.*?connectivity_R2=([^,\s]+)", text, re.M | re.S)
    return [node(int(i), None if p == "root" else int(p), float(r2)) for i, p, r2 in found]


@pytest.mark.parametrize("name", ["signal_chaotic_1", "signal_sparse"])
def test_puct_reproduces_the_stored_scores(name: str) -> None:
    scores, log = CORPUS / f"{name}_Claude_ucb_scores.txt", next(CORPUS.glob(f"{name}_Claude_analysis*.md"), None)
    if log is None or not scores.exists():
        pytest.skip("the corpus is not here")
    stored = parse_scores(scores.read_text())
    nodes = predecessor_nodes(log.read_text())
    if not any(item.id in stored.block for item in nodes):
        pytest.skip("the extract does not reach the scored block")
    ours = {score.node: score for score in score_block(nodes, stored.block, stored.c).scores}
    assert ours.keys() == {score.node for score in stored.scores}
    for score in stored.scores:
        assert (ours[score.node].parent, ours[score.node].visits) == (score.parent, score.visits)
        # The log holds R2 to three digits, so a score can be off by half a digit beyond its own rounding.
        assert ours[score.node].ucb == pytest.approx(score.ucb, abs=1.01e-3)


@pytest.mark.parametrize(
    ("n_iter_block", "n_parallel", "ends"),
    [
        (12, 4, [12, 24, 36]),
        (10, 4, [12, 20, 32, 40]),
        (7, 4, [8, 16, 24, 28]),
        (3, 4, [4, 8, 12]),
        (5, 1, [5, 10, 15]),
    ],
)
def test_a_block_ends_with_the_batch_in_which_an_iteration_reaches_it(
    n_iter_block: int, n_parallel: int, ends: list[int]
) -> None:
    blocks = [block_of(i, n_iter_block, n_parallel) for i in range(1, ends[-1] + 1)]
    assert [block.last for block in dict.fromkeys(blocks)] == ends
    assert [block.number for block in dict.fromkeys(blocks)] == list(range(1, len(ends) + 1))
    assert all(i in block for i, block in enumerate(blocks, 1))
    assert [block.first for block in dict.fromkeys(blocks)] == [1, *(end + 1 for end in ends[:-1])]


@given(forests(), st.sampled_from(["puct", "ucb1"]))
def test_means_stand_in_for_the_nodes_own_rewards(nodes: list[TreeNode], formula: str) -> None:
    block = block_of(1, 40)
    means = {item.id: 0.5 for item in nodes}
    found = score_block(nodes, block, 1.0, formula, means)  # type: ignore[arg-type]
    level = [replace(item, metrics={**item.metrics, "connectivity_R2": 0.5}) for item in nodes]
    wanted = score_block(level, block, 1.0, formula)  # type: ignore[arg-type]
    assert [(one.node, one.ucb) for one in found.scores] == [(one.node, one.ucb) for one in wanted.scores]
    # Each line still shows the node's own figure, and the header says whose mean was used.
    assert {one.node: one.connectivity_R2 for one in found.scores} == {item.id: item.connectivity_R2 for item in nodes}
    text = render_scores(found)
    assert text.splitlines()[0].endswith(f", {formula}, config_mean) ===")
    assert parse_scores(text).reward == "config_mean"
    assert parse_scores(render_scores(wanted)).reward == "run"
