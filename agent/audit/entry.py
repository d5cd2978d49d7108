"""One section of a log with its meaning: ids, status, config, metrics, mutation. Knows no other entry."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import get_args

from agent.audit.findings import Finding, excerpt
from agent.audit.mutation import Mutation, read_mutation
from agent.audit.read import Field, Section
from agent.audit.values import UNDEFINED, Value, read_config, read_number, read_pairs, split_notes
from state.records import Status

ROOT = 0
STATUSES: tuple[Status, ...] = get_args(Status)
_ROOT_WORDS = frozenset({"root", "none", "null", "-", "0", "start"})
_ID = re.compile(r"(?:node|iter|#)?_?([0-9]{1,9})\W{0,3}", re.IGNORECASE)
_NODE_WORD = re.compile(r"\b(?:node|iter|iteration) {0,2}#?(?=[0-9])", re.IGNORECASE)
_WORDS = re.compile(r"[a-z]+")
_FREE = ("Node", "Config", "Metrics", "Mutation")


@dataclass
class Entry:
    """An entry as far as it can be read. ``parent`` and ``next_parent``: ROOT, an id, or None when not readable."""

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

    @property
    def id(self) -> int:
        """The id its `Node:` line gives, else the number of its header."""
        return self.iteration if self.node is None else self.node

    def lines(self, *labels: str) -> tuple[int, ...]:
        """Line numbers of ``labels``, or that of the header where they are absent."""
        return tuple(self.fields[label].line for label in labels if label in self.fields) or (self.line,)


def read_entry(section: Section) -> tuple[Entry, list[Finding]]:
    """The entry of ``section`` and what of it could not be read."""
    entry = Entry(section.iteration, section.line, section.title, _status(section.title), section.fields)
    findings = list(_read_ids(entry))
    for label in ("Config", "Simulation"):
        for key, value in read_config(_text(entry, label)).items():
            entry.config.setdefault(key, value)
    if "Config" in entry.fields and not entry.config:
        findings.append(_unreadable(entry, "Config", "`key=value` joined by commas"))
    entry.seeds = {key: value for key, value in read_config(_text(entry, "Seeds")).items() if key != "rationale"}
    findings += _read_metrics(entry)
    if text := _text(entry, "Mutation"):
        entry.mutation = read_mutation(text)
        if entry.mutation.kind == "prose":
            findings.append(_unreadable(entry, "Mutation", "`key: old -> new` or `[none]`", "mutation-unreadable"))
    return entry, findings + list(_check_lines(entry))


def _text(entry: Entry, label: str) -> str:
    return entry.fields[label].text if label in entry.fields else ""


def _unreadable(entry: Entry, label: str, expected: str, code: str = "line-unreadable") -> Finding:
    found = f"`{label}: {excerpt(_text(entry, label))}`"
    return Finding(code, entry.iteration, entry.lines(label), found, expected)


def _status(title: str) -> Status | None:
    """The first of the three words in a header, which may be decorated."""
    words = _WORDS.findall(title[:400].casefold())
    return next((status for word in words for status in STATUSES if word == status), None)


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
    if "Next" in entry.fields and entry.next_parent is None:
        yield _unreadable(entry, "Next", "`Next: parent=P` with a node id or root")
    if entry.status is None:
        found = f"the status `{excerpt(entry.title)}`"
        yield Finding("status-unknown", entry.iteration, (entry.line,), found, "converged, partial or failed")


def _read_metrics(entry: Entry) -> Iterable[Finding]:
    pairs = read_pairs(split_notes(_text(entry, "Metrics"))[0])
    strange = []
    for key, text in pairs.items():
        value = read_number(text)
        if value is None and text.casefold().rstrip(".") not in UNDEFINED:
            strange.append(f"{key}={text}")
            continue
        entry.metrics[key] = value
        entry.decimals[key] = len(text.partition(".")[2]) if "e" not in text.casefold() else 15
    if strange:
        found = f"metrics that are no numbers: {excerpt(', '.join(strange))}"
        yield Finding("part-unreadable", entry.iteration, entry.lines("Metrics"), found, "a number, nan or N/A")
    if "Metrics" in entry.fields and not pairs:
        yield _unreadable(entry, "Metrics", "`key=value` joined by commas")


def _check_lines(entry: Entry) -> Iterable[Finding]:
    """A failed slot needs no metrics."""
    needed = [label for label in _FREE if not (label == "Metrics" and entry.status == "failed")]
    if absent := [label for label in needed if label not in entry.fields]:
        found = f"an entry without the line{'s' if len(absent) > 1 else ''} {', '.join(absent)}"
        yield Finding("line-missing", entry.iteration, (entry.line,), found, "each of Node, Config, Metrics, Mutation")
