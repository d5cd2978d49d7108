"""Holds the figures in a reply's entries and memory against the measurements, and says what was wrong."""

from __future__ import annotations

from collections.abc import Iterator

from agent.guard.claims import contradictions
from agent.guard.reply import Reply
from agent.guard.rule import Breach, Case, Rule, Step
from agent.guard.ruling import Figures
from agent.ledger.ledger import Ledger
from prompts.context import Context
from prompts.memory import without_table

MOST = 5
CLAIM = "claim"


def wrong_figures(ledger: Ledger, context: Context, reply: Reply) -> Figures:
    """What is wrong in a batch reply, at most MOST a text; a claim that is right leaves no trace."""
    if context.kind == "start":
        return Figures()
    slots: list[list[str]] = [[] for _ in range(context.n_parallel)]
    for view in context.slots:
        entry = reply.entries[view.slot]
        text = "" if entry is None else "\n".join((entry.embedding or "", entry.observation, entry.verdict_reason))
        slots[view.slot] = list(contradictions(text, view.iteration, ledger)[:MOST])
    return Figures(slots, contradictions(without_table(reply.memory), None, ledger)[:MOST])


def _claims(case: Case) -> Iterator[Breach]:
    # They are looked for in three texts of an entry; a run of the first release was told that it was this one.
    first = case.facts.campaign.format == 1
    key = "observation" if first else "embedding, observation or verdict_reason"
    for slot, wrong in enumerate(case.figures.slots):
        for place, text in enumerate(wrong):
            yield Breach(slot, key, text, "the measured figure, or no figure", place)
    for place, text in enumerate(case.figures.memory):
        yield Breach(None, "memory", text, "the measured figure, or no figure", place)


CLAIM_RULE = Rule(
    CLAIM,
    Step.FIGURES,
    "A figure stated about something measured is the measured one, as the prompt gives it. A wrong one is sent back "
    "once; after that the log says `Check:`.",
    _claims,
    once=True,
)
