"""The exploration tree as the log tells it, grown from its `Node:` and `Mutation:` lines and held against a control.

Applying the mutations of the edges from the root down to a node gives the node's config; an imported node's stands in
its section.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from state.config import Scalar, implied
from ucb.grammar import LogError, show_node, show_scalar
from ucb.imported import ImportedEntry
from ucb.log import Written, read_log
from ucb.tree import ROOT, TreeError, TreeNode, grow, new_tree, node_from_entry

# The line of an entry in which each part of a node stands.
_LINES = {"parent": "Node", "role": "Mode/Strategy", "changes": "Mutation", "mutation": "Mutation"}
_LINES |= {"metrics": "Metrics", "failure": "Failure"}


@dataclass(frozen=True)
class Known:
    """What is known of a node apart from the log: the node, its two seeds, and where its config leaves the root's."""

    node: TreeNode
    seeds: tuple[int, int]
    departures: Mapping[str, Scalar]


class LogTree:
    """A networkx tree that grows as the log does; ``base`` is the root's config under dotted keys.

    Each node carries its `TreeNode` (`node`) and where its config leaves the root's (`departures`), each edge the
    parsed `Mutation:` line of its child (`changes`).
    """

    def __init__(self, base: Mapping[str, Scalar], name: str = "analysis.md") -> None:
        self.graph = new_tree()
        self.lines = 0
        self._base = base
        self._dotted = {key.rpartition(".")[2]: key for key in base}
        self._name = name

    def read(self, text: str, control: dict[int, Known] | None = None) -> None:
        """Take in what the log holds beyond what was read before: whole lines, the first time from the top.

        What equals its ``control`` is removed from there. TreeError names line and node where the text makes no tree,
        where a mutation does not start from the parent's value, and where the two differ.
        """
        for written in read_log(text, self._name, self.lines + 1):
            self._take(written, control)
        self.lines += text.count("\n")

    def _take(self, written: Written, control: dict[int, Known] | None) -> None:
        node = node_from_entry(written.entry)
        # Known first: a wrong parent or mutation is told as the difference that it is.
        if control is not None:
            self._compare(written, node, control.get(node.id))
        try:
            grow(self.graph, [node])
        except TreeError as error:
            raise TreeError(f"{self._at(written, 'Node')}: {error}") from error
        departures = self._departures(written, node)
        self.graph.nodes[node.id]["departures"] = departures
        if control is not None:
            self._same_config(written, node, departures, control.pop(node.id).departures)

    def _departures(self, written: Written, node: TreeNode) -> Mapping[str, Scalar]:
        """Where the node's config leaves the root's: of an imported one as its section states it."""
        if not isinstance(written.entry, ImportedEntry):
            return self._apply(written, node)
        try:
            return written.entry.departures(self._base)
        except LogError as error:
            raise TreeError(f"{self._at(written, 'Config')}: {error}") from error

    def _apply(self, written: Written, node: TreeNode) -> Mapping[str, Scalar]:
        """Where the config leaves the root's when the mutation of the edge is applied to the parent's."""
        parent = ROOT if node.parent is None else node.parent
        before: Mapping[str, Scalar] = self.graph.nodes[parent].get("departures", {})
        changes = self.graph.edges[parent, node.id]["changes"]
        if not changes:
            return before
        after = dict(before)
        for leaf, (old, new) in changes.items():
            key = self._dotted.get(leaf)
            if key is None:
                raise TreeError(f"{self._at(written, 'Mutation')}: node {node.id} changes {leaf}, which no config has")
            if (held := before.get(key, self._base[key])) != old:
                raise TreeError(
                    f"{self._at(written, 'Mutation')}: node {node.id} changes {leaf} from {show_scalar(old)}, but its "
                    f"parent {show_node(node.parent)} has {show_scalar(held)}"
                )
            after |= {key: new} | implied({key: new})
        return {key: value for key, value in after.items() if value != self._base[key]}

    def _compare(self, written: Written, node: TreeNode, known: Known | None) -> None:
        if known is None:
            raise TreeError(f"{self._at(written, 'Node')}: node {node.id} stands there, the journal has no such run")
        for name in (spec.name for spec in fields(TreeNode)):
            told, want = getattr(node, name), getattr(known.node, name)
            if told != want:
                raise self._differs(written, node.id, _LINES.get(name, ""), name, told, want)
        entry = written.entry
        if isinstance(entry, ImportedEntry):
            return
        if (told := (entry.simulation_seed, entry.training_seed)) != known.seeds:
            raise self._differs(written, node.id, "Seeds", "seeds", told, known.seeds)

    def _same_config(
        self, written: Written, node: TreeNode, applied: Mapping[str, Scalar], known: Mapping[str, Scalar]
    ) -> None:
        for key in dict.fromkeys((*applied, *known)):
            told, want = (side.get(key, self._base[key]) for side in (applied, known))
            if told != want:
                raise TreeError(
                    f"{self._at(written, 'Mutation')}: the mutations from root to node {node.id} give {key} "
                    f"{show_scalar(told)}, the journal's config has {show_scalar(want)}"
                )

    def _differs(self, written: Written, node: int, label: str, name: str, told: object, want: object) -> TreeError:
        show = show_node if name == "parent" else repr
        return TreeError(
            f"{self._at(written, label)}: node {node} has {name} {show(told)}, the journal has {show(want)}"  # type: ignore[arg-type]
        )

    def _at(self, written: Written, label: str) -> str:
        return f"{self._name} line {written.lines.get(label, written.line)}"


def departures(
    base: Mapping[str, Scalar], config: Mapping[str, Scalar], skip: tuple[str, ...] = ()
) -> dict[str, Scalar]:
    """Dotted key -> value where ``config`` leaves ``base``, the keys of ``skip`` left out."""
    return {key: value for key, value in config.items() if value != base[key] and key not in skip}
