"""The control arm's slots: what another explorer proposes runs as it stands, and the program writes its entries.

They are for comparison alone: no parents of anybody else's, no rank, no trial, no part of the pooled noise, and no word
of them in a prompt. `agent.ledger.gains` compares.
"""

from __future__ import annotations

from typing import Any

from agent.ledger.ledger import Ledger
from state.explorer import named
from state.history import Iteration
from state.metrics import main
from state.shapes import Proposal
from ucb.estimates import BASELINE


def control_run(ledger: Ledger, slot: int) -> Proposal:
    """What the control arm runs next in ``slot``, as it was journaled before Claude was asked."""
    asked = ledger.history.asked_explorers
    assert asked is not None, "the control arm is asked before Claude is"
    return asked["control"][str(slot)]


def control_judgement(ledger: Ledger, iteration: Iteration) -> dict[str, Any]:
    """What an entry says of a run of the control arm: figures alone, since nobody had a hypothesis."""
    control, result = ledger.campaign.control, iteration.result
    assert control is not None
    assert result is not None
    return {
        "embedding": f"not looked at: {named(control.explorer, ledger.campaign.seeds.explorer)} reads figures only",
        "observation": _observation(ledger, iteration),
        "verdict": "inconclusive",
        "verdict_reason": "the control arm proposed this run, nobody had a hypothesis",
    }


def _observation(ledger: Ledger, iteration: Iteration) -> str:
    result = iteration.result
    assert result is not None
    if (failure := result.failure) is not None:
        end = "The program cut the run" if failure.is_cut else "The slot failed"
        return f"{end} ({failure.kind}: {failure.message})."
    base = ledger.views.control[BASELINE].spreads
    told = []
    for row in main(ledger.campaign.format):
        value, spread = result.metrics.get(row.name), base.get(row.name)
        beside = (
            "" if spread is None or spread.mean is None else f" (the baseline's runs: {spread.mean:.3f} on average)"
        )
        told.append(f"{row.name} {'undefined' if value is None else f'{value:.3f}'}{beside}")
    return "; ".join(told)
