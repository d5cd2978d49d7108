"""The mutations of the log, applied from the root down, give the configs; a log that tells another tree is named."""

from __future__ import annotations

from typing import Any

import pytest

from state.config import SlotConfig
from tests.ucb.strategies import judgement, planned, result
from ucb.entry import entry_from
from ucb.grammar import BASELINE, render_mutation
from ucb.log import render_entry, render_header
from ucb.log_tree import Known, LogTree, departures
from ucb.tree import ROOT, TreeError, node_from_record

BASE = SlotConfig().flat()
RATIO, WIDTH = "training.alternate_joint_ratio", "graph_model.embedding_dim"
# Node -> parent, changes: a chain with a re-run, a way back to the default, and a key that others follow from.
NIGHT: dict[int, tuple[int | None, dict[str, Any]]] = {
    1: (None, {}),
    2: (1, {RATIO: (0.4, 0.3)}),
    3: (2, {}),
    4: (3, {RATIO: (0.3, 0.4), WIDTH: (2, 4)}),
    5: (2, {RATIO: (0.3, 0.6)}),
}


def told() -> tuple[list[str], dict[int, Known]]:
    """The texts of the log, one an entry, and what is known of each node from configs that were made one by one."""
    configs: dict[int | None, SlotConfig] = {None: SlotConfig()}
    texts, known = [render_header("n")], {}
    for number, (parent, changes) in NIGHT.items():
        configs[number] = config = configs[parent].replaced({key: new for key, (_, new) in changes.items()})
        mutation = render_mutation(changes, "exploit", parent)
        plan = planned(number, parent, changes=changes, mutation=mutation)
        facts = {"config": config.flat(), "explored": [], "variance_update": "", "next_parent": None}
        entry = entry_from(plan, result(number / 10), judgement(), **facts)
        texts.append("\n" + render_entry(entry))
        seeds = plan.simulation_seed, plan.training_seed
        known[number] = Known(
            node_from_record(plan, result(number / 10), entry.status), seeds, departures(BASE, config.flat(), ())
        )
    return texts, known


def grown(texts: list[str], known: dict[int, Known]) -> LogTree:
    tree = LogTree(BASE)
    for text in texts:
        tree.read(text, known)
    return tree


def test_the_mutations_from_the_root_down_are_the_configs_and_the_edges_carry_them() -> None:
    texts, known = told()
    want = dict(known)
    tree = grown(texts, known)
    assert known == {}, "what was compared is let go"
    for number, (parent, changes) in NIGHT.items():
        assert tree.graph.nodes[number]["departures"] == want[number].departures
        edge = tree.graph.edges[ROOT if parent is None else parent, number]
        assert edge["changes"] == {key.rpartition(".")[2]: change for key, change in changes.items()}
    assert tree.graph.nodes[4]["departures"] == {
        WIDTH: 4,
        "graph_model.input_size": 5,
        "graph_model.input_size_update": 7,
    }
    assert tree.lines == "".join(texts).count("\n")


def test_reading_at_once_gives_the_same_tree() -> None:
    texts, known = told()
    assert grown(["".join(texts)], dict(known)).graph.nodes == grown(texts, known).graph.nodes


@pytest.mark.parametrize(
    ("number", "old", "new", "message"),
    [
        (3, "parent=2", "parent=1", "line {Node}: node 3 has parent 1, the journal has 2"),
        (2, "0.4 -> 0.3", "0.4 -> 0.2", "line {Mutation}: node 2 has mutation 'alternate_joint_ratio: 0.4 -> 0.2'"),
        (5, "0.3 -> 0.6", "0.4 -> 0.6", "line {Mutation}: node 5 has mutation 'alternate_joint_ratio: 0.4 -> 0.6'"),
        (1, BASELINE, "n_epochs: 2 -> 3", "line {Mutation}: node 1 has mutation 'n_epochs: 2 -> 3'"),
        (4, "connectivity_R2=0.4", "connectivity_R2=0.9", "line {Metrics}: node 4 has metrics"),
        (4, "sim_seed=1004", "sim_seed=1", "line {Seeds}: node 4 has seeds (1, 504), the journal has (1004, 504)"),
    ],
)
def test_a_log_that_tells_another_tree_is_named_by_line_and_node(number: int, old: str, new: str, message: str) -> None:
    texts, known = told()
    assert texts[number].count(old) == 1
    texts[number] = texts[number].replace(old, new)
    rows = "".join(texts).split("\n")
    start = rows.index(f"## Iter {number}: " + known[number].node.status)
    lines = {row.partition(":")[0]: at + 1 for at, row in enumerate(rows) if start <= at < start + 16}
    with pytest.raises(TreeError) as caught:
        grown(texts, known)
    assert str(caught.value).startswith(f"analysis.md {message.format(**lines)}")


def test_mutations_that_do_not_give_the_config_are_named_though_log_and_journal_agree() -> None:
    texts, known = told()
    known[4] = Known(known[4].node, known[4].seeds, {WIDTH: 4})
    with pytest.raises(TreeError, match=r"the mutations from root to node 4 give graph_model.input_size 5, .* has 3"):
        grown(texts, known)
    texts, known = told()
    node = known[5].node
    wrong = type(node)(
        5,
        2,
        node.role,
        node.status,
        None,
        "alternate_joint_ratio: 0.4 -> 0.6",
        {"alternate_joint_ratio": (0.4, 0.6)},
        node.metrics,
    )
    known[5] = Known(wrong, known[5].seeds, known[5].departures)
    texts[5] = texts[5].replace("0.3 -> 0.6", "0.4 -> 0.6")
    with pytest.raises(TreeError, match=r"node 5 changes alternate_joint_ratio from 0\.4, but its parent 2 has 0.3"):
        grown(texts, known)


def test_an_entry_that_the_journal_does_not_have_or_a_parent_that_comes_later_is_refused() -> None:
    texts, known = told()
    del known[5]
    with pytest.raises(TreeError, match="node 5 stands there, the journal has no such run"):
        grown(texts, known)
    texts, _ = told()
    with pytest.raises(TreeError, match=r"line 20: node 3 has parent 2, expected root or a node listed"):
        LogTree(BASE).read(texts[0] + texts[1] + texts[3])


def test_a_key_that_no_config_has_is_refused() -> None:
    texts, _ = told()
    with pytest.raises(TreeError, match="node 2 changes wings, which no config has"):
        LogTree(BASE).read(texts[0] + texts[1] + texts[2].replace("alternate_joint_ratio", "wings"))
