"""One section of a log with its meaning: ids, status, config, metrics, mutation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.audit.classes import AS_STATUS, Class, read_status
from agent.audit.findings import Finding, excerpt
from agent.audit.mutation import Mutation, read_mutation
from agent.audit.read import Field, Section
from agent.audit.slots import Measured, Slot, read_cells, read_slots, together
from agent.audit.values import Value, read_config, read_pairs, split_notes
from state.records import Status

ROOT = 0
_ROOT_WORDS = frozenset({"root", "none", "null", "-", "0", "start"})
_ID = re.compile(r"(?:node|iter|#)?_?([0-9]{1,9})\W{0,3}", re.IGNORECASE)
_NODE_WORD = re.compile(r"\b(?:node|iter|iteration) {0,2}#?(?=[0-9])", re.IGNORECASE)
# A `Next:` that names no node because nothing follows.
_END = re.compile(r"\W{0,4}(?:block end|end of block|none|n/a|stop|done|complete|-)", re.IGNORECASE)


@dataclass
class Entry:
    """An entry as far as it can be read. ``parent`` and ``next_parent``: ROOT, an id, or None when not readable.

    ``kind`` is the class that its header names in place of a status, ``slots`` its runs where it holds several of one
    config; ``metrics`` are then their means. Metrics have their full names.
    """

    iteration: int
    line: int
    title: str
    status: Status | None
    fields: dict[str, Field]
    node: int | None = None
    parent: int | None = None
    next_parent: int | None = None
    config: dict[str, Value] = field(default_factory=dict)
    seeds: dict[str, Value] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    decimals: dict[str, int] = field(default_factory=dict)
    mutation: Mutation | None = None
    kind: Class | None = None
    slots: list[Slot] = field(default_factory=list)

    @property
    def outcome(self) -> Status | None:
        """The status, or what its class amounts to in a tree."""
        return self.status or (AS_STATUS[self.kind] if self.kind else None)

    @property
    def id(self) -> int:
        """The id its `Node:` line gives, else the number of its header."""
        return self.iteration if self.node is None else self.node

    def lines(self, *labels: str) -> tuple[int, ...]:
        """Line numbers of ``labels``, or that of the header where they are absent."""
        return tuple(self.fields[label].line for label in labels if label in self.fields) or (self.line,)


def read_entry(section: Section) -> tuple[Entry, list[Finding]]:
    """The entry of ``section`` and what of it could not be read."""
    status, kind = read_status(section.title)
    entry = Entry(section.iteration, section.line, section.title, status, section.fields, kind=kind)
    findings = list(_read_ids(entry))
    for label in ("Config", "Simulation"):
        for key, value in read_config(_text(entry, label)).items():
            entry.config.setdefault(key, value)
    if "Config" in entry.fields and not entry.config:
        findings.append(_unreadable(entry, "Config", "`key=value` joined by commas"))
    entry.seeds = {key: value for key, value in read_config(_text(entry, "Seeds")).items() if key != "rationale"}
    findings += _read_metrics(entry, section)
    if text := _text(entry, "Mutation"):
        entry.mutation = read_mutation(text)
        if entry.mutation.kind == "prose":
            findings.append(_unreadable(entry, "Mutation", "`key: old -> new` or `[none]`", "mutation-unreadable"))
    return entry, findings


def _text(entry: Entry, label: str) -> str:
    return entry.fields[label].text if label in entry.fields else ""


def _unreadable(entry: Entry, label: str, expected: str, code: str = "line-unreadable") -> Finding:
    found = f"`{label}: {excerpt(_text(entry, label))}`"
    return Finding(code, entry.iteration, entry.lines(label), found, expected)


def read_id(text: str | None) -> int | None:
    """ROOT, a node id, or None for anything else."""
    if text is None:
        return None
    if text.casefold().strip(".*`") in _ROOT_WORDS:
        return ROOT
    match = _ID.fullmatch(text)
    return int(match[1]) if match else None


def _read_ids(entry: Entry) -> Iterable[Finding]:
    texts = (_NODE_WORD.sub("", split_notes(_text(entry, label))[0]) for label in ("Node", "Next"))
    node, following = (read_pairs(text) for text in texts)
    entry.node, entry.parent = read_id(node.get("id")) or None, read_id(node.get("parent"))
    entry.next_parent = read_id(following.get("parent"))
    if entry.next_parent is None and _text(entry, "Next").casefold().startswith("root"):
        entry.next_parent = ROOT
    if "Node" in entry.fields and (entry.node is None or entry.parent is None):
        yield _unreadable(entry, "Node", "`Node: id=N, parent=P` with a node id or root")
    if "Next" in entry.fields and entry.next_parent is None and not _END.match(_text(entry, "Next")):
        yield _unreadable(entry, "Next", "`Next: parent=P` with a node id or root")


def _read_metrics(entry: Entry, section: Section) -> Iterable[Finding]:
    """Metrics of the `Metrics:` line, else the means of the slots, else those of a table of two columns."""
    pairs = read_pairs(split_notes(_text(entry, "Metrics"))[0])
    entry.slots = read_slots(entry.fields)
    found = Measured()
    for key, text in pairs.items():
        found.add(key, text.removesuffix("min"))
    if not found.metrics:
        read = together(entry.slots) if entry.slots else read_cells(section.cells)
        found.metrics, found.decimals = read.metrics, read.decimals
    entry.metrics, entry.decimals = found.metrics, found.decimals
    strange = [*found.strange, *(f"Slot {slot.number}: {text}" for slot in entry.slots for text in slot.strange)]
    if strange:
        told = f"metrics that are no numbers: {excerpt(', '.join(strange))}"
        yield Finding("part-unreadable", entry.iteration, metric_lines(entry), told, "a number, nan or N/A")
    if "Metrics" in entry.fields and not pairs and entry.status != "failed":
        yield _unreadable(entry, "Metrics", "`key=value` joined by commas")


def metric_lines(entry: Entry) -> tuple[int, ...]:
    """The lines that the metrics of ``entry`` stand on."""
    if "Metrics" not in entry.fields and entry.slots:
        return tuple(slot.line for slot in entry.slots)
    return entry.lines("Metrics")
