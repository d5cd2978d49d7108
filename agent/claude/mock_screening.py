"""The mock takes a screening batch as it is offered."""

from __future__ import annotations

from agent.claude.mock_moves import Slot
from prompts.context import Context, Screening


def screened(context: Context, offer: Screening) -> list[Slot]:
    """All slots of the next batch: those of ``offer``, on its data seed, each with its own training seed."""
    names = ", ".join(key.rpartition(".")[2] for key in offer.keys)
    return [
        {
            "role": "screening",
            "parent": offer.parent,
            "parent_rule": f"the screening batch that is offered: {names} at once around {offer.config_id}",
            "mutation": run.mutation,
            "edits": [{"key": key, "value": value} for key, value in run.edits.items()],
            "simulation_seed": offer.simulation_seed,
            "training_seed": context.seeds[run.slot].training_seed,
            "seed_rationale": "same-data-robustness",
            "hypothesis": f"One of {names} has a main effect that its interval tells from 0.",
        }
        for run in offer.runs
    ]
