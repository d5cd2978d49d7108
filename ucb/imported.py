"""The section of the log about an imported node: what a predecessor's log says of it, marked as nothing of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from state.config import Scalar, implied
from state.metrics import METRICS
from state.records import Status
from state.schema import Section
from state.shapes import ImportedNode
from ucb.entry import SHORT_NAMES, config_line
from ucb.grammar import (
    LogError,
    Prose,
    one_line,
    read_node,
    read_number,
    read_pairs,
    read_scalar,
    show_node,
    show_number,
    show_pairs,
    show_scalar,
)

MARK = " (imported, unverified)"
_ROLE = "imported"
_LINE = re.compile(r"(Node|Mode/Strategy|Config|Metrics|Mutation|Observation): ?(.*)")


class ImportedEntry(Section):
    """One imported node. ``config`` has the lab's short names, None = not known; ``metrics`` nobody here has measured.

    ``observation`` says where the config was read from, or why it is not known.
    """

    iteration: int = Field(ge=1, lt=10**9)
    parent: int | None = Field(ge=1, lt=10**9)
    status: Status
    config: dict[str, Scalar] | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    mutation: Prose
    observation: Prose

    def departures(self, base: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Dotted key -> value where the config leaves ``base``; LogError for a key that no config has."""
        dotted = {key.rpartition(".")[2]: key for key in base}
        dotted |= {short: key for key, short in SHORT_NAMES.items()}
        found: dict[str, Scalar] = {}
        for name, value in (self.config or {}).items():
            if (key := dotted.get(name)) is None:
                raise LogError(f"found {name}, which no config has")
            found |= {key: value} | implied({key: value})
        return {key: value for key, value in found.items() if value != base[key]}


def entry_of(node: ImportedNode, base: Mapping[str, Scalar], explored: list[str]) -> ImportedEntry:
    """The section of ``node``; ``base`` are the campaign's defaults, ``explored`` the keys that its configs may change.

    An imported config leaves the defaults in explored keys alone.
    """
    departures = node["departures"]
    return ImportedEntry(
        iteration=node["id"],
        parent=node["parent"],
        status=node["status"],
        config=None if departures is None else config_line({**base, **departures}, explored),
        metrics=dict(node["metrics"]),
        mutation=node["mutation"],
        observation=node["origin"],
    )


def render_imported(entry: ImportedEntry) -> str:
    """The section, ending in a newline; `read_imported` gives it back."""
    rows = [f"## Iter {entry.iteration}: {entry.status}{MARK}"]
    rows.append(f"Node: {show_pairs({'id': str(entry.iteration), 'parent': show_node(entry.parent)})}")
    rows.append(f"Mode/Strategy: {_ROLE}")
    if entry.config is not None:
        rows.append(f"Config: {show_pairs({key: show_scalar(value) for key, value in entry.config.items()})}")
    if entry.metrics:
        rows.append(f"Metrics: {show_pairs({key: show_number(value) for key, value in entry.metrics.items()})}")
    rows += [f"Mutation: {one_line(entry.mutation)}".rstrip(), f"Observation: {one_line(entry.observation)}".rstrip()]
    return "\n".join(rows) + "\n"


def read_imported(rows: list[str], number: int, status: str) -> tuple[dict[str, Any], dict[str, int], int]:
    """Fields of the `ImportedEntry` whose lines begin at row ``number``, the row of each label, the row after them.

    LogError says what is wrong.
    """
    found: dict[str, str] = {}
    places: dict[str, int] = {}
    while number < len(rows) and (match := _LINE.fullmatch(rows[number])) is not None:
        if match[1] in found:
            raise LogError(f"found a second `{match[1]}:` line, expected one")
        found[match[1]], places[match[1]] = match[2], number
        number += 1
    if absent := [label for label in ("Node", "Mode/Strategy", "Mutation", "Observation") if label not in found]:
        raise LogError(f"found no `{absent[0]}:` line, expected one")
    if found["Mode/Strategy"] != _ROLE:
        raise LogError(f"found {found['Mode/Strategy'][:40]!r}, expected {_ROLE}")
    node = read_pairs(found["Node"])
    if list(node) != ["id", "parent"]:
        raise LogError("found another `Node:` line, expected `Node: id=N, parent=P`")
    fields: dict[str, Any] = {"status": status, "mutation": found["Mutation"], "observation": found["Observation"]}
    fields |= {"iteration": read_node(node["id"]), "parent": read_node(node["parent"])}
    if "Config" in found:
        fields["config"] = {key: read_scalar(text) for key, text in read_pairs(found["Config"]).items()}
    if "Metrics" in found:
        metrics = {key: read_number(text) for key, text in read_pairs(found["Metrics"]).items()}
        if unknown := [key for key in metrics if key not in METRICS]:
            raise LogError(f"found {unknown[0]}, expected some of {', '.join(METRICS)}")
        fields["metrics"] = metrics
    return fields, places, number
