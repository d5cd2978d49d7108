"""The whole log: entries, block headings and quoted summaries, written and read back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from state.records import LogStyle
from state.schema import explain
from ucb.entry import LogEntry
from ucb.grammar import LogError, one_line
from ucb.imported import MARK, ImportedEntry, read_imported
from ucb.lines import LINES, lines_of
from ucb.score import block_of

_HEADER = re.compile(rf"## Iter ([1-9][0-9]{{0,8}}): (converged|partial|failed|cut)({re.escape(MARK)})?")
_BLOCK = re.compile(r"## Block ([1-9][0-9]{0,8})")
_TITLE = "# Experiment Log: "


def render_entry(entry: LogEntry, style: LogStyle = "full") -> str:
    """The section of ``entry``, ending in a newline; `parse_log` gives back what the style tells of it."""
    rows = [f"## Iter {entry.iteration}: {entry.status}"]
    rows += [f"{line.label}: {text}".rstrip() for line in lines_of(style) for text in line.show(entry)]
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


def render_sections(
    entries: Iterable[LogEntry], length: tuple[int, int], summary: str | None = None, style: LogStyle = "full"
) -> str:
    """What one batch adds to the log: its ``entries``, a heading where a block begins, the ``summary`` at its end.

    ``length``: iterations of a block and slots of a batch, see `block_of`. A strict log has the entries alone.
    """
    if style == "strict":
        return "".join("\n" + render_entry(entry, style) for entry in entries)
    parts, ends = [], False
    for entry in entries:
        block = block_of(entry.iteration, *length)
        if entry.iteration == block.first:
            parts.append("\n" + render_block_heading(block.number))
        parts.append("\n" + render_entry(entry, style))
        ends = entry.iteration == block.last
    if summary and ends:
        parts.append("\n" + render_block_summary(summary))
    return "".join(parts)


@dataclass(frozen=True)
class Written:
    """An entry and where it stands: the line of its heading, and that of each labelled line (the first of several)."""

    entry: LogEntry | ImportedEntry
    line: int
    lines: Mapping[str, int]


def parse_log(text: str, name: str = "analysis.md") -> list[LogEntry]:
    """The entries of a log that nightfly wrote, in its order; LogError names the line and what belongs there.

    Sections about imported nodes are left out.
    """
    return [written.entry for written in read_log(text, name) if isinstance(written.entry, LogEntry)]


def read_log(text: str, name: str = "analysis.md", first_line: int = 1) -> Iterator[Written]:
    """The same with their places. ``text`` begins at ``first_line`` of the log, 1 being its title."""
    rows, before = text.split("\n"), first_line - 1
    if not before and not rows[0].startswith(_TITLE):
        raise LogError(f"{name} line 1: found {rows[0][:60]!r}, expected `{_TITLE}NAME`")
    number = 0 if before else 1
    while number < len(rows):
        if header := _HEADER.fullmatch(rows[number]):
            read = _read_imported if header[3] else _read_entry
            written, number = read(rows, number, header, name, before)
            yield written
        elif not rows[number] or rows[number].startswith(">") or _BLOCK.fullmatch(rows[number]):
            number += 1
        else:
            raise LogError(
                f"{name} line {before + number + 1}: found {rows[number][:60]!r}, expected `## Iter N: status`, "
                "`## Block B`, a quoted summary or an empty line"
            )


def _read_entry(rows: list[str], start: int, header: re.Match[str], name: str, before: int) -> tuple[Written, int]:
    """The entry whose ``header`` is row ``start``, and the row after its last line."""
    fields: dict[str, Any] = {"status": header[2]}
    lines: dict[str, int] = {}
    number = start + 1
    for line in LINES:
        values = list(_values(rows, number, line.label))
        if values:
            lines[line.label] = before + number + 1
        try:
            fields |= line.read(values)
        except LogError as error:
            raise LogError(f"{name} line {before + number + 1}: `{line.label}:` {error}") from error
        number += len(values)
    if ("Hypothesis" in lines) != ("Verdict" in lines):
        raise LogError(
            f"{name} line {before + start + 1}: found one of `Hypothesis:` and `Verdict:`, expected both, or none of "
            "them (a strict log)"
        )
    for curve, place in fields.pop("peaks", {}).items():
        fields.get("trajectory", {}).get(curve, {}).update(place)
    if fields["iteration"] != int(header[1]):
        raise LogError(f"{name} line {before + start + 2}: found id={fields['iteration']}, expected id={header[1]}")
    try:
        return Written(LogEntry.model_validate(fields), before + start + 1, lines), number
    except ValidationError as error:
        raise LogError(f"{name} line {before + start + 1}: {explain(error.errors()[0], LogEntry)}") from error


def _read_imported(rows: list[str], start: int, header: re.Match[str], name: str, before: int) -> tuple[Written, int]:
    """The same for a section about an imported node."""
    try:
        fields, places, number = read_imported(rows, start + 1, header[2])
        if fields["iteration"] != int(header[1]):
            raise LogError(f"found id={fields['iteration']}, expected id={header[1]}")
        entry = ImportedEntry.model_validate(fields)
    except LogError as error:
        raise LogError(f"{name} line {before + start + 1}: {error}") from error
    except ValidationError as error:
        raise LogError(f"{name} line {before + start + 1}: {explain(error.errors()[0], ImportedEntry)}") from error
    return Written(entry, before + start + 1, {label: before + at + 1 for label, at in places.items()}), number


def _values(rows: list[str], number: int, label: str) -> Iterator[str]:
    """What stands behind ``label`` on the neighbouring rows that begin with it."""
    while number < len(rows) and (rows[number] == f"{label}:" or rows[number].startswith(f"{label}: ")):
        yield rows[number][len(label) + 2 :]
        number += 1
