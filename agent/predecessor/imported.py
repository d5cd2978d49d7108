"""What an import comes to: the record that a run keeps of it, from the files and the campaign alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agent.audit.entry import Entry
from agent.predecessor.configs import Configs, Found
from agent.predecessor.entries import parent_of, read_entries
from agent.predecessor.file_names import node_of
from agent.predecessor.memory import start_memory
from agent.predecessor.stated import stated_runs
from state.campaign import Campaign
from state.errors import UserError
from state.metrics import METRICS, REWARD
from state.shapes import ImportedNode, RunImported
from ucb.grammar import one_line
from ucb.score import block_of
from ucb.trajectory import run_status

_LONGEST_MUTATION = 300


@dataclass(frozen=True)
class Sources:
    """The predecessor's files as they were; ``configs``: file name -> text."""

    log_name: str
    log: bytes
    memory: str | None = None
    configs: Mapping[str, str] = field(default_factory=dict)


def imported_data(
    sources: Sources, campaign: Campaign, put: Callable[[bytes | str], str], use_metrics: bool = False
) -> RunImported:
    """The record of the import of ``sources``; ``put`` stores a text and names it.

    With ``use_metrics`` the figures that the log states will help to choose.

    Imported nodes keep their ids. The run's own iterations begin with the first whole block after the highest of them,
    so that blocks hold either the one or the other. UserError as `read_entries`, `start_memory` and `node_of` have it.
    """
    entries = read_entries(sources.log, sources.log_name)
    ids = {entry.id for entry in entries}
    texts = {name: text for name, text in sources.configs.items() if node_of(name) in ids}
    if sources.configs and not texts:
        some = ", ".join(sorted(sources.configs)[:3])
        raise UserError(f"--configs: no file is named after an iteration of {sources.log_name} (found {some})")
    configs = Configs(campaign, _by_node(texts))
    nodes = _nodes(entries, configs)
    if use_metrics:
        nodes = [
            {**node, "runs": stated_runs(entry, node["status"])} for node, entry in zip(nodes, entries, strict=True)
        ]
    search = campaign.search
    memory = None if sources.memory is None else start_memory(campaign.name, sources.memory)
    data: RunImported = {
        "log_name": sources.log_name,
        "log": put(sources.log),
        "memory": None if sources.memory is None else put(sources.memory),
        "configs": {name: put(text) for name, text in sorted(texts.items())},
        "nodes": nodes,
        "reset": sorted(configs.reset),
        "first_iteration": block_of(max(ids), search.n_iter_block, search.n_parallel).last + 1,
        "start_memory": None if memory is None else put(memory),
    }
    if use_metrics:
        data["use_metrics"] = True
    return data


def _by_node(texts: Mapping[str, str]) -> dict[int, tuple[str, str]]:
    files: dict[int, tuple[str, str]] = {}
    for name, text in sorted(texts.items()):
        node = node_of(name)
        assert node is not None
        if node in files:
            raise UserError(f"--configs: {files[node][0]} and {name} are both of iteration {node}; keep one")
        files[node] = name, text
    return files


def _nodes(entries: list[Entry], configs: Configs) -> list[ImportedNode]:
    found: dict[int | None, Found] = {None: Found({}, "")}
    nodes: list[ImportedNode] = []
    for entry in entries:
        parent = parent_of(entry)
        own = found[entry.id] = configs.find(entry, found[parent])
        metrics = {name: value for name in METRICS if (value := entry.metrics.get(name)) is not None}
        text = entry.fields["Mutation"].text if "Mutation" in entry.fields else "not said"
        nodes.append(
            {
                "id": entry.id,
                "parent": parent,
                "status": entry.outcome or run_status(metrics.get(REWARD), configs.campaign.thresholds),
                "mutation": one_line(text)[:_LONGEST_MUTATION].strip(),
                "metrics": metrics,
                "departures": own.departures,
                "origin": own.origin,
            }
        )
    return nodes
