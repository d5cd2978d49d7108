"""The exploration tree of a run: what the log tells, and what has finished since and waits to be told there."""

from __future__ import annotations

import networkx as nx

from state.campaign import Campaign
from state.config import PLACE_KEYS, SEED_KEYS, SlotConfig
from state.records import Planned, SlotResult, Status
from state.shapes import BatchCommitted, RunImported
from ucb.entry import LogEntry
from ucb.imported import entry_of, render_imported
from ucb.log import render_header, render_sections
from ucb.log_tree import Known, LogTree, departures
from ucb.tree import TreeNode, node_from_entry, node_from_record, nodes_of


class Tree:
    """Read from the text of the log; the journal is its control, node by node.

    A driver reads its file (``follows_file``, `read`); whoever has the journal alone, the text that follows from it.
    """

    def __init__(self, campaign: Campaign) -> None:
        self.follows_file = False
        self._campaign = campaign
        self._base = campaign.base_config().flat()
        self._told = LogTree(self._base)
        self._unread = [render_header(campaign.title())]
        self._awaiting: dict[int, Known] = {}
        self._sections: tuple[BatchCommitted, str] | None = None
        self._imported = 0

    def imported(self, data: RunImported) -> None:
        """What a predecessor's log tells of: the first nodes, of which the log tells at its beginning."""
        self._imported = len(data["nodes"])
        for node in data["nodes"]:
            entry = entry_of(node, self._base, list(self._campaign.explorable))
            self._awaiting[node["id"]] = Known(node_from_entry(entry), (0, 0), node["departures"] or {})
        if not self.follows_file:
            self._unread.append(imported_sections(self._campaign, data))

    def finished(self, planned: Planned, result: SlotResult, status: Status, config: SlotConfig) -> None:
        """A run has finished: a node, and what the log will have to say of it."""
        own = departures(self._base, config.flat(), (*SEED_KEYS, *PLACE_KEYS))
        seeds = planned.simulation_seed, planned.training_seed
        self._awaiting[planned.iteration] = Known(node_from_record(planned, result, status), seeds, own)

    def committed(self, data: BatchCommitted) -> None:
        """The log tells of a batch."""
        if not self.follows_file:
            self._unread.append(self.sections(data))

    def sections(self, data: BatchCommitted) -> str:
        """`log_sections` of the batch committed last, made once."""
        if self._sections is None or self._sections[0] is not data:
            self._sections = data, log_sections(self._campaign, data)
        return self._sections[1]

    def read(self, text: str) -> None:
        """Grow by what the log's file holds beyond what was read of it; TreeError when that is another tree."""
        self._told.read(text, self._awaiting)

    @property
    def told(self) -> LogTree:
        """The tree of the log."""
        if self._unread and not self.follows_file:
            text, self._unread = "".join(self._unread), []
            self.read(text)
        return self._told

    @property
    def graph(self) -> nx.DiGraph:
        """The tree of the log as networkx has it; see `ucb.log_tree`."""
        return self.told.graph

    def node(self, number: int) -> TreeNode | None:
        """Node ``number``, told by the log or waiting to be; None when it has not finished."""
        if number in self.graph:
            node: TreeNode = self.graph.nodes[number]["node"]
            return node
        return self._awaiting[number].node if number in self._awaiting else None

    def nodes(self) -> list[TreeNode]:
        """The nodes that the log tells of, then those that wait, each by ascending number."""
        return [*nodes_of(self.graph), *(self._awaiting[number].node for number in sorted(self._awaiting))]

    def runs(self) -> list[TreeNode]:
        """The same without what was imported."""
        return [node for node in self.nodes() if node.role != "imported"]

    def __len__(self) -> int:
        """How many runs have finished; imported nodes are none."""
        return len(self.graph) - 1 + len(self._awaiting) - self._imported


def imported_sections(campaign: Campaign, imported: RunImported) -> str:
    """What the log says of imported nodes."""
    base, explored = campaign.base_config().flat(), list(campaign.explorable)
    return "".join("\n" + render_imported(entry_of(node, base, explored)) for node in imported["nodes"])


def log_sections(campaign: Campaign, committed: BatchCommitted) -> str:
    """What a committed batch adds to the log."""
    entries = [LogEntry.model_validate(fields) for fields in committed["entries"]]
    length = campaign.search.n_iter_block, campaign.search.n_parallel
    return render_sections(entries, length, committed["block_summary"], campaign.log_style)
