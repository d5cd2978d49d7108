"""The working memory is carried on: variations planned at the start, and no text that becomes a bare heading."""

from __future__ import annotations

from agent.guard.verdict import Facts, Verdict, Violation
from prompts.memory import HEADINGS, sections

# The program fills this one.
_OURS = HEADINGS[0]
_PLANS = ("### Open Questions", "## Current Block")


def check_carried_on(memory: str, facts: Facts, verdict: Verdict) -> bool:
    """Whether ``memory`` plans its variations at the start call, and later has text wherever the one before had."""
    now, before = sections(memory), sections(facts.memory)
    broken = []
    if facts.start and not _plans(now, facts):
        where = " or ".join(f"`{heading}`" for heading in _PLANS)
        broken.append(("memory_plan", "no planned variation", f"under {where}, the keys that you mean to vary first"))
    emptied = [heading for heading, text in before.items() if text and heading != _OURS and not now.get(heading)]
    if not facts.start and emptied:
        found = f"nothing under {', '.join(emptied)}, where there was text"
        broken.append(("memory_emptied", found, "what was there, or what has taken its place"))
    for code, found, allowed in broken:
        verdict.violations.append(Violation(code=code, slot=None, key="memory", found=found, allowed=allowed))
    return not broken


def _plans(now: dict[str, str], facts: Facts) -> bool:
    """Whether a key that may be explored is named where plans stand."""
    planned = " ".join(now.get(heading, "") for heading in _PLANS)
    return any(key.rpartition(".")[2] in planned for key in facts.campaign.explorable)
