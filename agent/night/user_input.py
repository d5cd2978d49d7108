"""user_input.md: what the human wants Claude to know. Pending text is sent; the program moves it when acknowledged."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from state.files import write_atomic

HEADER = """# Input for Claude

Write instructions below the line; they reach Claude with the next prompt, and move down when it has acknowledged them.

---
"""
LINE = "---"
DONE = "## Acknowledged"
LONGEST = 8000
STRUCTURE = re.compile(rf"^[ \t]*\\*(?:{re.escape(LINE)}|{re.escape(DONE)})[ \t]*$", re.MULTILINE)
QUOTED = re.compile(rf"^\\([ \t]*\\*(?:{re.escape(LINE)}|{re.escape(DONE)})[ \t]*)$", re.MULTILINE)
OURS = re.compile(r"$|\s+$|### Batch \d+, |> ?|>$|Claude: ")


def pending(path: Path) -> str:
    """The instructions that wait in the file, at most LONGEST characters of them; empty when there are none."""
    text = _plain(_split(_read(path))[1]).strip()
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n(cut here by the program: {len(text)} characters, {LONGEST} are sent)"


def tell(path: Path, text: str) -> None:
    """Add an instruction to those that wait."""
    with _alone(path):
        head, waiting, done = _split(_read(path))
        parts = [part for part in (waiting.strip(), _quoted(text.strip())) if part]
        write_atomic(path, head + "\n".join(parts) + "\n" + done)


def move_acknowledged(path: Path, text: str, answer: str, batch: int, time: str) -> None:
    """Take ``text`` out of the pending part and keep it below with Claude's ``answer``; doing it twice changes nothing.

    Whatever the human has added in the meantime stays pending.
    """
    with _alone(path):
        head, waiting, done = _split(_read(path))
        heading = f"### Batch {batch}, {time}"
        if heading in done:
            return
        told = text.split("\n(cut here by the program:")[0]
        rest = _quoted(_plain(waiting).strip().removeprefix(told).strip())
        quoted = "\n".join(f"> {line}".rstrip() for line in told.splitlines())
        entry = f"\n{heading}\n{quoted}\n\nClaude: {' '.join(answer.split())}\n"
        write_atomic(path, head + (rest + "\n" if rest else "") + (done or f"\n{DONE}\n") + entry)


def _split(text: str) -> tuple[str, str, str]:
    """Head up to and with the line, pending part, acknowledged part."""
    lines = text.splitlines(keepends=True)
    start = next((n + 1 for n, line in enumerate(lines) if line.strip() == LINE), 0)
    ends = [n for n in range(start, len(lines)) if lines[n].strip() == DONE]
    # A person may have written such a line as well: the program's own is followed by what the program writes.
    end = next((n for n in ends if all(map(OURS.match, lines[n + 1 :]))), ends[-1] if ends else len(lines))
    head = "".join(lines[:start]) or HEADER
    # The empty line above the heading is part of the acknowledged text.
    waiting, done = "".join(lines[start:end]), "".join(lines[end:])
    return (head if head.endswith("\n") else head + "\n"), waiting, ("\n" + done if done else "")


def _quoted(text: str) -> str:
    """``text`` with a backslash before each line that would be structure of the file."""
    return STRUCTURE.sub(r"\\\g<0>", text)


def _plain(text: str) -> str:
    """What `_quoted` was made of."""
    return QUOTED.sub(r"\1", text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return HEADER


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """`nightfly tell` and the driver never write at the same time."""
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
