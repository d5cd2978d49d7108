"""Rules on what the model wrote to be read: there where it is due, and of bounded length."""

from __future__ import annotations

from agent.guard.reply import EntryReply
from agent.guard.verdict import Verdict, Violation
from prompts.memory import HEADINGS, MAX_CHARACTERS, MAX_LINES, missing_headings

MAX_PROSE = 2000
LONGEST = {"block_summary": 8000, "acknowledged": MAX_PROSE}
DUE = {"block_summary": "what this block taught, at its end", "acknowledged": "an answer to the pending user input"}


def check_entry(slot: int, entry: EntryReply | None, verdict: Verdict) -> EntryReply | None:
    """The entry when each of its texts has a fit length."""
    if entry is None:
        return None
    wrong = [
        key
        for key in ("embedding", "observation", "verdict_reason")
        if not 0 < len(getattr(entry, key).strip()) <= MAX_PROSE
    ]
    for key in wrong:
        length = len(getattr(entry, key))
        verdict.violations.append(
            Violation(
                code="entry_prose",
                slot=slot,
                key=key,
                found=f"{length} characters",
                allowed=f"1 to {MAX_PROSE} characters",
            )
        )
    return None if wrong else entry


def check_memory(memory: str, verdict: Verdict) -> str | None:
    """The memory when it is short enough and has its headings."""
    lines, lost = memory.count("\n") + 1, missing_headings(memory)
    long = lines > MAX_LINES or len(memory) > MAX_CHARACTERS
    if long:
        found, allowed = f"{lines} lines, {len(memory)} characters", f"{MAX_LINES} lines, {MAX_CHARACTERS} characters"
        verdict.violations.append(Violation(code="memory_long", slot=None, key="memory", found=found, allowed=allowed))
    if lost:
        found = f"no {', '.join(lost)}"
        verdict.violations.append(
            Violation(code="memory_headings", slot=None, key="memory", found=found, allowed="; ".join(HEADINGS))
        )
    return None if long or lost else memory


def check_text(key: str, text: str | None, wanted: bool, verdict: Verdict) -> None:
    """A text of the whole batch: due now (``wanted``), and not longer than LONGEST."""
    given = (text or "").strip()
    if wanted and not given:
        violation = Violation(code=f"{key}_missing", slot=None, key=key, found="nothing", allowed=DUE[key])
        verdict.violations.append(violation)
    if len(given) > LONGEST[key]:
        found, allowed = f"{len(given)} characters", f"at most {LONGEST[key]} characters"
        verdict.violations.append(Violation(code=f"{key}_long", slot=None, key=key, found=found, allowed=allowed))


def kept(key: str, text: str | None) -> str | None:
    """The text, or None when it is empty or too long to be kept."""
    return text if text and 0 < len(text.strip()) <= LONGEST[key] else None
