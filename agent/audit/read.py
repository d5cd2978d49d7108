"""A markdown log as sections of labelled lines, whatever else it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agent.audit.findings import Finding, excerpt, ranges
from agent.audit.labels import read_label, repeats, wraps

LONGEST_LINE = 20_000

_HEADER = re.compile(r"#{1,6} {0,4}\**Iter(?:ation)?\.? {1,4}([0-9]{1,9})(?![0-9])(.*)", re.IGNORECASE | re.DOTALL)
_ALMOST = re.compile(r"#{1,6} {0,4}\**Iter(?:ation)?\b.{0,40}:", re.IGNORECASE)
_ROW = re.compile(r"\| {0,20}([^|]{1,80}?) {0,20}\| {0,20}([^|]{1,80}?) {0,20}\|")
_RANGE = re.compile(r" {0,2}[-–—] {0,2}[0-9]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]")


@dataclass(frozen=True)
class Field:
    """What stands behind a label, and on which line (from 1)."""

    line: int
    text: str


@dataclass
class Section:
    """One `## Iter N: status`: header line, number, the rest of the header, its labelled lines, and other lines.

    ``waiting`` are other lines after which no label has come yet; ``last`` is the label whose line may go on; ``cells``
    the rows of tables with two columns, by their first.
    """

    line: int
    iteration: int
    title: str
    fields: dict[str, Field] = field(default_factory=dict)
    others: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    last: str = ""
    cells: dict[str, Field] = field(default_factory=dict)

    def add(self, label: str, line: int, text: str) -> bool:
        """Take a labelled line; False when the label was there before."""
        self.others += self.waiting
        self.waiting.clear()
        self.last = "" if label in self.fields else label
        if not self.last:
            return repeats(label)
        self.fields[label] = Field(line, text)
        return True

    def go_on(self, line: int, row: str) -> None:
        """Take a row without a label: more values, if it is indented after a line of values that ends in a comma."""
        before = self.fields.get(self.last) if wraps(self.last) else None
        room = LONGEST_LINE - len(row)
        if before and before.text.endswith(",") and row[0] in " \t" and "=" in row and len(before.text) <= room:
            self.fields[self.last] = Field(before.line, f"{before.text} {row.strip()}")
        else:
            self.last = ""
            self.waiting.append(line)


@dataclass
class Document:
    """A log: its sections in file order, its other headings as (line, text), and what could not be read.

    ``prose`` are the rows outside of entries that are neither headings nor empty.
    """

    lines: int
    prose: list[Field] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    headings: list[Field] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def read_document(data: bytes) -> Document:
    """Read a log of any content in one pass; never fails."""
    text = data.decode("utf-8-sig", errors="replace")
    rows = text.split("\n")
    document = Document(lines=len(rows) - (not rows[-1]))
    odd: list[int] = []
    section: Section | None = None
    for number, row in enumerate(rows, 1):
        if len(row) > LONGEST_LINE:
            row = _cut(document, number, row)
        if _CONTROL.search(row):
            odd.append(number)
        section = _take(document, section, number, row.rstrip())
    if odd:
        found = "bytes that are not UTF-8 text, or control characters"
        document.findings.append(Finding("line-unreadable", None, tuple(odd), found, "plain UTF-8 text"))
    _report_ignored(document)
    return document


def _cut(document: Document, number: int, row: str) -> str:
    found = f"a line of {len(row)} characters, of which the first {LONGEST_LINE} were read"
    document.findings.append(Finding("line-unreadable", None, (number,), found, f"at most {LONGEST_LINE} characters"))
    return row[:LONGEST_LINE]


def _take(document: Document, section: Section | None, number: int, row: str) -> Section | None:
    """Sort one row in; the section that the next row belongs to."""
    if row.startswith("#"):
        return _heading(document, number, row)
    if section is None or not row or row.startswith((">", "|")):
        if section is None and row:
            document.prose.append(Field(number, row))
        elif section is not None and (match := _ROW.fullmatch(row)):
            section.cells.setdefault(match[1].strip("*` "), Field(number, match[2].strip("*` ")))
        return section
    if row.strip("-_* ") == "" and len(row) > 2:
        return None
    label, text = read_label(row)
    if not label:
        section.go_on(number, row)
    elif not section.add(label, number, text):
        found = f"a second `{label}:` line"
        expected = f"one, as on line {section.fields[label].line}, which was used"
        document.findings.append(Finding("line-twice", section.iteration, (number,), found, expected))
    return section


def _heading(document: Document, number: int, row: str) -> Section | None:
    match = _HEADER.match(row)
    if (
        match
        and not _RANGE.match(match[2])
        and (not match[2].strip() or match[2].lstrip("* ")[:1] in (":", "-", "–", "—", "("))
    ):
        section = Section(number, int(match[1]), match[2].lstrip("*: -–—").rstrip("* "))
        document.sections.append(section)
        return section
    if _ALMOST.match(row):
        document.findings.append(
            Finding("line-unreadable", None, (number,), f"the header `{excerpt(row)}`", "`## Iter N: status`")
        )
    document.headings.append(Field(number, row))
    return None


def _report_ignored(document: Document) -> None:
    ignored = [line for section in document.sections for line in section.others]
    if ignored:
        found = f"{len(ignored)} lines within entries that begin with no known label (lines {ranges(ignored)})"
        document.findings.append(
            Finding("lines-ignored", None, tuple(ignored), excerpt(found), "labelled lines; these were passed over")
        )
