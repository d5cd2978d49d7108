"""Rules on what the model wrote to be read: there where it is due, and of bounded length."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agent.guard.rule import Breach, Case, Rule, Step
from prompts.memory import HEADINGS, MAX_CHARACTERS, MAX_LINES, missing_headings

MAX_PROSE = 2000
LONGEST = {"block_summary": 8000, "acknowledged": MAX_PROSE}
DUE = {"block_summary": "what this block taught, at its end", "acknowledged": "an answer to the pending user input"}


def _entry_prose(case: Case) -> Iterator[Breach]:
    for slot, entry in enumerate(case.reply.entries):
        for place, key in enumerate(("embedding", "observation", "verdict_reason") if entry else ()):
            text = getattr(entry, key)
            if text is not None and not 0 < len(text.strip()) <= MAX_PROSE:
                yield Breach(slot, key, f"{len(text)} characters", f"1 to {MAX_PROSE} characters", place)


def _memory_long(case: Case) -> Iterator[Breach]:
    memory = case.reply.memory
    lines = memory.count("\n") + 1
    if lines > MAX_LINES or len(memory) > MAX_CHARACTERS:
        allowed = f"{MAX_LINES} lines, {MAX_CHARACTERS} characters"
        yield Breach(None, "memory", f"{lines} lines, {len(memory)} characters", allowed)


def _memory_headings(case: Case) -> Iterator[Breach]:
    if lost := missing_headings(case.reply.memory):
        yield Breach(None, "memory", f"no {', '.join(lost)}", "; ".join(HEADINGS))


def _missing(key: str, wanted: Callable[[Case], bool]) -> Callable[[Case], Iterator[Breach]]:
    def broken(case: Case) -> Iterator[Breach]:
        if wanted(case) and not (getattr(case.reply, key) or "").strip():
            yield Breach(None, key, "nothing", DUE[key])

    return broken


def _long(key: str) -> Callable[[Case], Iterator[Breach]]:
    def broken(case: Case) -> Iterator[Breach]:
        length = len((getattr(case.reply, key) or "").strip())
        if length > LONGEST[key]:
            yield Breach(None, key, f"{length} characters", f"at most {LONGEST[key]} characters")

    return broken


def kept(key: str, text: str | None) -> str | None:
    """The text, or None when it is empty or too long to be kept."""
    return text if text and 0 < len(text.strip()) <= LONGEST[key] else None


TEXT_RULES = (
    Rule(
        "entry_prose",
        Step.ENTRY,
        "`observation`, `verdict_reason` and, where pictures are sent, `embedding` have 1 to {max_prose:,} characters "
        "each.",
        _entry_prose,
    ),
    Rule(
        "memory_long",
        Step.MEMORY,
        "`memory` has at most {max_lines} lines and {max_characters:,} characters.",
        _memory_long,
    ),
    Rule("memory_headings", Step.MEMORY, "`memory` keeps its headings: {headings}.", _memory_headings),
    Rule(
        "block_summary_missing",
        Step.TEXTS,
        "At a block end `block_summary` tells in a few lines what was learned.",
        _missing("block_summary", lambda case: case.facts.block_end),
    ),
    Rule(
        "block_summary_long",
        Step.TEXTS,
        "`block_summary` has at most {longest_block_summary:,} characters.",
        _long("block_summary"),
    ),
    Rule(
        "acknowledged_missing",
        Step.TEXTS,
        "Pending user input is answered in `acknowledged`.",
        _missing("acknowledged", lambda case: case.facts.user_input),
    ),
    Rule(
        "acknowledged_long",
        Step.TEXTS,
        "`acknowledged` has at most {longest_acknowledged:,} characters.",
        _long("acknowledged"),
    ),
)
