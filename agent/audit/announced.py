"""`Change:` lines, which the oldest logs have for mutations: of their own entry, or announcing the next one's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from agent.audit.entry import Entry
from agent.audit.mutation import Mutation, read_mutation
from agent.audit.read import Field
from agent.audit.values import same


def settle_changes(entries: Sequence[Entry]) -> None:
    """Give entries without a `Mutation:` the one that a `Change:` line tells, with its line.

    The line is about the entry it stands in unless the Config lines agree more often when it is about the next.
    """
    told = {entry.line: read_mutation(entry.fields["Change"].text) for entry in entries if "Change" in entry.fields}
    if not told or any(entry.mutation for entry in entries):
        return
    own = sum(_agrees(told[entry.line], entry) for entry in entries if entry.line in told)
    following = sum(_agrees(told[before.line], after) for before, after in pairwise(entries) if before.line in told)
    pairs = pairwise(entries) if following > own else zip(entries, entries, strict=True)
    for source, target in pairs:
        if source.line in told:
            target.mutation = told[source.line]
            target.fields["Mutation"] = Field(source.fields["Change"].line, source.fields["Change"].text)


def _agrees(mutation: Mutation, entry: Entry) -> bool:
    """Whether the Config of ``entry`` has the new value of some change."""
    return any(
        change.new is not None and change.key in entry.config and same(entry.config[change.key], change.new)
        for change in mutation.changes
    )
