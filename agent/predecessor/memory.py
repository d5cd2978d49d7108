"""A predecessor's memory as the one that Claude starts from: quoted, below a heading that says whose it is."""

from __future__ import annotations

from prompts.memory import MAX_CHARACTERS, MAX_LINES, empty_memory, without_table
from state.errors import UserError

HEADING = "### From the predecessor's memory (imported; none of its figures is verified)"


def start_memory(name: str, memory: str) -> str:
    """The memory that campaign ``name`` starts with; UserError when it is larger than a memory may be.

    Quoted, none of its headings is taken for one of the run's own; a table that a program wrote into it is left out.
    """
    rows = [_printable(row).rstrip() for row in without_table(memory).strip().splitlines()]
    quoted = "\n".join(f"> {row}".rstrip() for row in rows)
    whole = f"{empty_memory(name)}\n{HEADING}\n{quoted}\n"
    lines, characters = len(whole.splitlines()), len(whole)
    if lines > MAX_LINES or characters > MAX_CHARACTERS:
        raise UserError(
            f"--memory: with the headings of a run it has {lines:,} lines and {characters:,} characters, more than the "
            f"{MAX_LINES:,} lines and {MAX_CHARACTERS:,} characters of a memory; shorten a copy of it"
        )
    return whole


def _printable(row: str) -> str:
    return "".join(character if character.isprintable() else " " for character in row)
