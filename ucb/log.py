"""The whole log: entries, block headings and quoted summaries, written and read back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from state.schema import explain
from ucb.entry import LogEntry
from ucb.grammar import LogError, one_line
from ucb.lines import LINES

_HEADER = re.compile(r"## Iter ([1-9][0-9]{0,8}): (converged|partial|failed)")
_BLOCK = re.compile(r"## Block ([1-9][0-9]{0,8})")
_TITLE = "# Experiment Log: "


def render_entry(entry: LogEntry) -> str:
    """The section of ``entry``, ending in a newline; `parse_log` gives back an equal entry."""
    rows = [f"## Iter {entry.iteration}: {entry.status}"]
    rows += [f"{line.label}: {text}".rstrip() for line in LINES for text in line.show(entry)]
    return "\n".join(rows) + "\n"


def render_header(name: str) -> str:
    """First line of the file."""
    return f"{_TITLE}{one_line(name)}\n"


def render_block_heading(block: int) -> str:
    """The line that opens block ``block`` (1, 2, ...)."""
    return f"## Block {block}\n"


def render_block_summary(text: str) -> str:
    """The model's summary of a block, each of its lines quoted, so that none can pose as the program's."""
    return "".join(f"> {one_line(row)}".rstrip() + "\n" for row in text.splitlines() or [""])


def parse_log(text: str, name: str = "analysis.md") -> list[LogEntry]:
    """The entries of a log that nightfly wrote, in its order; LogError names the line and what belongs there."""
    rows = text.split("\n")
    if not rows[0].startswith(_TITLE):
        raise LogError(f"{name} line 1: found {rows[0][:60]!r}, expected `{_TITLE}NAME`")
    entries, number = [], 1
    while number < len(rows):
        if header := _HEADER.fullmatch(rows[number]):
            entry, number = _read_entry(rows, number, header, name)
            entries.append(entry)
        elif not rows[number] or rows[number].startswith(">") or _BLOCK.fullmatch(rows[number]):
            number += 1
        else:
            raise LogError(
                f"{name} line {number + 1}: found {rows[number][:60]!r}, expected `## Iter N: status`, "
                "`## Block B`, a quoted summary or an empty line"
            )
    return entries


def _read_entry(rows: list[str], start: int, header: re.Match[str], name: str) -> tuple[LogEntry, int]:
    """The entry whose ``header`` is row ``start``, and the row after its last line."""
    fields: dict[str, Any] = {"status": header[2]}
    number = start + 1
    for line in LINES:
        values = list(_values(rows, number, line.label))
        try:
            fields |= line.read(values)
        except LogError as error:
            raise LogError(f"{name} line {number + 1}: `{line.label}:` {error}") from error
        number += len(values)
    if fields["iteration"] != int(header[1]):
        raise LogError(f"{name} line {start + 2}: found id={fields['iteration']}, expected id={header[1]}")
    try:
        return LogEntry.model_validate(fields), number
    except ValidationError as error:
        raise LogError(f"{name} line {start + 1}: {explain(error.errors()[0], LogEntry)}") from error


def _values(rows: list[str], number: int, label: str) -> Iterator[str]:
    """What stands behind ``label`` on the neighbouring rows that begin with it."""
    while number < len(rows) and (rows[number] == f"{label}:" or rows[number].startswith(f"{label}: ")):
        yield rows[number][len(label) + 2 :]
        number += 1
