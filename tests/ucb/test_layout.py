"""Nodes of the picture have places of their own and branches do not cross."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.ucb.strategies import node
from ucb.layout import place
from ucb.tree import TreeNode


@st.composite
def nights(draw: st.DrawFn) -> list[TreeNode]:
    """Batches of four; a parent comes from an earlier batch."""
    found: list[TreeNode] = []
    for i in range(1, draw(st.integers(1, 60)) + 1):
        past = (i - 1) // 4 * 4
        found.append(node(i, draw(st.none() | st.integers(1, past)) if past else None))
    return found


@given(nights())
def test_places_are_distinct_and_children_stand_right_of_their_parent(nodes: list[TreeNode]) -> None:
    layout = place(nodes, 4)
    assert len({(layout.x[n.id], layout.y[n.id]) for n in nodes}) == len(nodes)
    for n in nodes:
        assert 0 <= layout.y[n.id] <= layout.lanes - 1
        assert layout.x[n.id] == 1 + (n.id - 1) // 4
        assert n.parent is None or layout.x[n.parent] < layout.x[n.id]


@given(nights())
def test_a_childs_level_line_meets_no_other_node(nodes: list[TreeNode]) -> None:
    layout = place(nodes, 4)
    for child in nodes:
        start = 0.0 if child.parent is None else layout.x[child.parent]
        for other in nodes:
            on_line = layout.y[other.id] == layout.y[child.id] and start < layout.x[other.id] < layout.x[child.id]
            assert not on_line


def test_a_tree_without_nodes_has_a_place_for_its_root() -> None:
    layout = place([], 4)
    assert (layout.x, layout.root, layout.batches, layout.lanes) == ({}, 0.0, 1, 1)


def test_a_large_tree_stays_within_a_page() -> None:
    layout = place([node(i, None) for i in range(1, 401)], 4)
    assert layout.column * layout.batches <= 15
    assert layout.lane * layout.lanes <= 11
