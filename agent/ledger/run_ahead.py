"""A slot of the next batch that runs ahead of it, in a place that was idle: `policy.fill_idle`."""

from __future__ import annotations

from agent.ledger.ledger import Ledger
from agent.ledger.views import run_key
from state.records import Planned
from state.shapes import Proposal


def proposal_of(planned: Planned) -> Proposal:
    """The proposal that an unchanged config was planned from, for the batch that its slot belongs to."""
    return {
        "role": planned.role,
        "parent": planned.parent,
        "parent_rule": planned.parent_rule,
        "mutation": planned.mutation,
        "changes": {},
        "edits": [],
        "simulation_seed": planned.simulation_seed,
        "training_seed": planned.training_seed,
        "seed_rationale": planned.seed_rationale,
        "hypothesis": planned.hypothesis,
    }


def runs_ahead_of(ledger: Ledger) -> set[tuple[str, int, int]]:
    """What runs ahead already, as `run_key`: no other slot of that batch may be the same run."""
    return {run_key(ledger.views.config(iteration)) for iteration in ledger.history.ahead.values()}
