"""memory.md: the model's text under required headings, and the program's variance table between markers."""

from __future__ import annotations

import re

HEADINGS = (
    "### Variance Estimates",
    "### Established Principles",
    "### Falsified Hypotheses",
    "### Open Questions",
    "## Current Block",
)
MAX_LINES = 500
MAX_CHARACTERS = 60_000
BEGIN = "<!-- nightfly: written by the program, do not edit below this line -->"
END = "<!-- nightfly: end of the program's part -->"


def missing_headings(memory: str) -> list[str]:
    """Required headings that ``memory`` lacks."""
    lines = {line.strip() for line in memory.splitlines()}
    return [heading for heading in HEADINGS if heading not in lines]


def sections(memory: str) -> dict[str, str]:
    """Required heading -> the text below it, stripped, up to the next of them."""
    found: dict[str, list[str]] = {}
    rows: list[str] = []
    for line in without_table(memory).splitlines():
        if line.strip() in HEADINGS:
            rows = found.setdefault(line.strip(), [])
        else:
            rows.append(line)
    return {heading: "\n".join(text).strip() for heading, text in found.items()}


def empty_memory(name: str) -> str:
    """What the model starts from."""
    body = "\n\n".join(HEADINGS)
    return f"# Working Memory: {name}\n\n{body}\n"


def with_table(memory: str, table: str) -> str:
    """``memory`` with the program's table under `### Variance Estimates`, whatever stood between the markers before."""
    own = f"{BEGIN}\n{table.removeprefix(HEADINGS[0]).strip()}\n{END}"
    lines = without_table(memory).rstrip("\n").split("\n")
    for number, line in enumerate(lines):
        if line.strip() == HEADINGS[0]:
            return "\n".join([*lines[: number + 1], own, *lines[number + 1 :]]) + "\n"
    return "\n".join([*lines, "", HEADINGS[0], own]) + "\n"


def without_table(memory: str) -> str:
    """``memory`` without the program's part; a marker the model lost or doubled costs no text of its own."""
    begin, end = re.escape(BEGIN), re.escape(END)
    memory = re.sub(rf"{begin}(?:(?!{begin}).)*?{end}\n?", "", memory, flags=re.DOTALL)
    return "\n".join(line for line in memory.split("\n") if line.strip() not in (BEGIN, END))
