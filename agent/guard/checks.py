"""Holds the figures in a reply's entries and memory against the measurements, and says what was wrong."""

from __future__ import annotations

from agent.guard.claims import contradictions
from agent.guard.reply import Reply
from agent.guard.verdict import Verdict, Violation
from agent.ledger.ledger import Ledger
from prompts.context import Context
from prompts.memory import without_table

MOST = 5
CLAIM = "claim"


def check_claims(ledger: Ledger, context: Context, reply: Reply, verdict: Verdict) -> None:
    """Fill the verdict's checks, at most MOST a text; a claim that is right leaves no trace."""
    for view, entry in zip(context.slots, reply.entries, strict=False):
        text = "" if entry is None else "\n".join((entry.embedding, entry.observation, entry.verdict_reason))
        verdict.checks.append(contradictions(text, view.iteration, ledger)[:MOST])
    verdict.memory_checks = contradictions(without_table(reply.memory), None, ledger)[:MOST]


def claim_violations(verdict: Verdict, format: int) -> list[Violation]:
    """The wrong figures as violations, for the one turn in which they are sent back."""
    # They are looked for in three texts of an entry; a run of the first release was told that it was this one.
    key = "observation" if format == 1 else "embedding, observation or verdict_reason"
    places = [(slot, key, wrong) for slot, wrong in enumerate(verdict.checks)]
    return [
        Violation(code=CLAIM, slot=slot, key=key, found=text, allowed="the measured figure, or no figure")
        for slot, key, wrong in [*places, (None, "memory", verdict.memory_checks)]
        for text in wrong
    ]
