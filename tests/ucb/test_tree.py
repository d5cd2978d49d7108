"""The tree of the log is the tree of the journal, and `Next:` is about another node."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.config import SlotConfig
from state.records import Planned, SlotResult
from tests.ucb.strategies import failed_result, judgement, node, planned, result
from ucb.entry import LogEntry, entry_from
from ucb.grammar import render_mutation
from ucb.log import parse_log, render_entry, render_header
from ucb.tree import ROOT, TreeError, build_tree, grow, new_tree, node_from_record, nodes_of, same_tree

Row = tuple[Planned, SlotResult, LogEntry]


@st.composite
def campaigns(draw: st.DrawFn) -> list[Row]:
    """A night of one to twenty iterations; every entry's `Next` points anywhere in the past."""
    rows: list[Row] = []
    for number in range(1, draw(st.integers(1, 20)) + 1):
        parent = draw(st.none() | st.integers(1, number - 1)) if number > 1 else None
        changes = draw(st.sampled_from([{}, {"training.n_epochs": (2, 3)}, {"training.coeff_W_L1": (3.3e-5, 1e-4)}]))
        plan = planned(number, parent, changes=changes, mutation=render_mutation(changes, "exploit", parent))
        outcome = draw(st.sampled_from([result(0.9), result(0.123456789), result(None), failed_result()]))
        entry = entry_from(
            plan,
            outcome,
            judgement(),
            config=SlotConfig().flat(),
            explored=[],
            variance_update="x",
            next_parent=draw(st.none() | st.integers(1, number)),
        )
        rows.append((plan, outcome, entry))
    return rows


@given(campaigns())
def test_the_tree_of_the_log_equals_the_tree_of_the_journal(rows: list[Row]) -> None:
    text = render_header("n") + "".join(render_entry(entry) for _, _, entry in rows)
    tree = build_tree(parse_log(text))
    recorded = new_tree()
    grow(recorded, (node_from_record(plan, outcome, entry.status) for plan, outcome, entry in rows))
    assert same_tree(tree, recorded) is None
    for plan, _, _ in rows:
        assert list(tree.predecessors(plan.iteration)) == [plan.parent or ROOT]


@given(campaigns())
def test_growing_by_batches_equals_growing_at_once(rows: list[Row]) -> None:
    whole = build_tree(entry for _, _, entry in rows)
    grown = new_tree()
    for at in range(0, len(rows), 4):
        grow(grown, nodes_of(whole)[at : at + 4])
    assert same_tree(whole, grown) is None
    assert set(whole.edges) == set(grown.edges)


def test_next_never_sets_a_parent() -> None:
    entries = [
        entry_from(
            planned(n, None),
            result(),
            judgement(),
            config=SlotConfig().flat(),
            explored=[],
            variance_update="",
            next_parent=n,
        )
        for n in (1, 2, 3, 4)
    ]
    assert sorted(build_tree(entries).successors(ROOT)) == [1, 2, 3, 4]


def test_the_first_difference_is_told() -> None:
    def tree(*nodes):  # type: ignore[no-untyped-def]
        grown = new_tree()
        grow(grown, nodes)
        return grown

    a = tree(node(1, None), node(2, 1, 0.5))
    assert same_tree(a, tree(node(1, None))) == "node 2 is only in the first tree"
    assert (
        same_tree(a, tree(node(1, None), node(2, None)))
        == "node 2 has parent 1 in the first tree and root in the second"
    )
    assert "metrics" in (same_tree(a, tree(node(1, None), node(2, 1, 0.6))) or "")
    assert "role" in (same_tree(a, tree(node(1, None), node(2, 1, role="replicate"))) or "")


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node(1, None), node(1, None)], "appears twice"),
        ([node(1, 2), node(2, None)], "expected root or a node listed"),
    ],
)
def test_what_is_no_tree_is_refused(nodes, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TreeError, match=message):
        grow(new_tree(), nodes)
