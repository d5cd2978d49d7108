"""Sections about imported nodes are read back as written, are no runs, and tell their own config."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.config import SlotConfig
from state.shapes import ImportedNode
from ucb.grammar import LogError
from ucb.imported import ImportedEntry, entry_of, render_imported
from ucb.log import parse_log, read_log, render_header
from ucb.log_tree import Known, LogTree
from ucb.tree import TreeError, node_from_entry

BASE = SlotConfig().flat()
RATIO, WIDTH = "training.alternate_joint_ratio", "graph_model.embedding_dim"
EXPLORED = [RATIO, WIDTH]


def node(number: int = 1, parent: int | None = None, **fields: object) -> ImportedNode:
    whole = {
        "id": number,
        "parent": parent,
        "status": "converged",
        "mutation": "alternate_joint_ratio: 0.4 -> 0.3",
        "metrics": {"connectivity_R2": 0.95},
        "departures": {RATIO: 0.3},
        "origin": "config from iter_001_config.yaml",
    }
    return whole | fields  # type: ignore[return-value]


def text(*nodes: ImportedNode) -> str:
    return render_header("n") + "".join("\n" + render_imported(entry_of(one, BASE, EXPLORED)) for one in nodes)


PROSE = st.text(max_size=40)


@given(PROSE, PROSE, st.sampled_from([None, {}, {RATIO: 0.25}, {WIDTH: 3} | {"graph_model.input_size": 4}]))
def test_a_section_is_read_back_as_written(mutation: str, origin: str, departures: dict[str, float] | None) -> None:
    entry = entry_of(node(7, 3, mutation=mutation, origin=origin, departures=departures), BASE, EXPLORED)
    (read,) = read_log(render_header("n") + "\n" + render_imported(entry))
    assert read.entry == entry


def test_an_imported_node_is_no_run_of_the_log() -> None:
    log = text(node())
    assert parse_log(log) == []
    (read,) = read_log(log)
    tree_node = node_from_entry(read.entry)
    assert tree_node.role == "imported"
    assert tree_node.metrics == {}, "a stated figure is no measurement"
    assert tree_node.connectivity_R2 is None


def test_keys_that_follow_from_others_are_departures_too() -> None:
    entry = entry_of(node(departures={WIDTH: 4, "graph_model.input_size": 5}), BASE, EXPLORED)
    want = {WIDTH: 4, "graph_model.input_size": 5, "graph_model.input_size_update": 7}
    assert entry.departures(BASE) == want
    strange = ImportedEntry(iteration=1, parent=None, status="failed", config={"lr_X": 1}, mutation="", observation="")
    with pytest.raises(LogError, match="found lr_X, which no config has"):
        strange.departures(BASE)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("Node: id=1", "Node: id=2", "line 3: found id=2, expected id=1"),
        ("Mode/Strategy: imported", "Mode/Strategy: exploit", "line 3: found 'exploit', expected imported"),
        ("Mutation: ", "Mutations: ", "line 3: found no `Mutation:` line, expected one"),
        ("connectivity_R2=", "conn=", "line 3: found conn, expected some of"),
        ("Node: id=1, parent=root\n", "Node: id=1, parent=root\n" * 2, "line 3: found a second `Node:` line"),
    ],
)
def test_a_section_that_says_something_else_is_named(before: str, after: str, said: str) -> None:
    with pytest.raises(LogError, match=said):
        list(read_log(text(node()).replace(before, after)))


def known(*nodes: ImportedNode) -> dict[int, Known]:
    entries = {one["id"]: entry_of(one, BASE, EXPLORED) for one in nodes}
    return {one["id"]: Known(node_from_entry(entries[one["id"]]), (0, 0), one["departures"] or {}) for one in nodes}


def test_the_tree_takes_the_config_from_the_section_and_holds_it_against_the_journal() -> None:
    nodes = node(), node(2, 1, departures=None)
    tree = LogTree(BASE)
    tree.read(text(*nodes), known(*nodes))
    assert tree.graph.nodes[1]["departures"] == {RATIO: 0.3}
    assert tree.graph.nodes[2]["departures"] == {}
    with pytest.raises(TreeError, match=r"give training.alternate_joint_ratio 0.2, the journal's config has 0.3"):
        LogTree(BASE).read(text(*nodes).replace("joint_ratio=0.3", "joint_ratio=0.2"), known(*nodes))
    with pytest.raises(TreeError, match="node 2 has parent root, the journal has 1"):
        LogTree(BASE).read(text(*nodes).replace("parent=1", "parent=root"), known(*nodes))
