"""The working memory is carried on: variations planned at the start, and no text that becomes a bare heading."""

from __future__ import annotations

from collections.abc import Iterator

from agent.guard.rule import Breach, Case, Rule, Step
from prompts.memory import HEADINGS, sections

# The program fills this one.
_OURS = HEADINGS[0]
_PLANS = ("### Open Questions", "## Current Block")


def _memory_plan(case: Case) -> Iterator[Breach]:
    campaign = case.facts.campaign
    if not case.facts.start or campaign.format == 1:
        return
    now = sections(case.reply.memory)
    planned = " ".join(now.get(heading, "") for heading in _PLANS)
    if not any(key.rpartition(".")[2] in planned for key in campaign.explorable):
        where = " or ".join(f"`{heading}`" for heading in _PLANS)
        yield Breach(None, "memory", "no planned variation", f"under {where}, the keys that you mean to vary first")


def _memory_emptied(case: Case) -> Iterator[Breach]:
    if case.facts.start or case.facts.campaign.format == 1:
        return
    now, before = sections(case.reply.memory), sections(case.facts.memory)
    # A heading that is gone altogether is told by its own rule.
    emptied = [h for h, text in before.items() if text and h != _OURS and h in now and not now[h]]
    if emptied:
        found = f"nothing under {', '.join(emptied)}, where there was text"
        yield Breach(None, "memory", found, "what was there, or what has taken its place")


MEMORY_RULES = (
    Rule(
        "memory_plan",
        Step.MEMORY,
        "At the start call `memory` names under `### Open Questions` the keys that are to be varied first.",
        _memory_plan,
    ),
    Rule(
        "memory_emptied",
        Step.MEMORY,
        "In `memory` a heading that had text keeps it or gets other text; it is not left bare.",
        _memory_emptied,
    ),
)
