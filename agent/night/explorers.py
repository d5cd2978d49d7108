"""What is asked of the program's own explorers before Claude is asked: the next runs of the control arm.

Their answers are journaled, so a replay needs no library of theirs; where it has the same versions, it asks again.
"""

from __future__ import annotations

from agent.briefing.context import build_context
from agent.briefing.control import control_context
from agent.claude.mock_moves import Changes, Slot
from agent.explorers.beside import CONTROL_STREAM, changes_of, libraries
from agent.ledger.ledger import Ledger
from agent.ledger.policy import next_slot_node
from agent.night.night import Night
from prompts.context import Context
from state.config import Scalar, difference
from state.control import Control
from state.records import CONTROL_ROLE, Edit
from state.shapes import ExplorerAsked, Proposal
from ucb.grammar import render_mutation


def ask_explorers(night: Night) -> None:
    """Journal what the program's explorers propose for the next batch, once; nothing where there are none."""
    history = night.history
    if history.asked_explorers is None and not history.exchanges and (data := asked_data(night)) is not None:
        night.record("explorer_asked", data)


def asked_data(ledger: Ledger) -> ExplorerAsked | None:
    """The data of the `explorer_asked` that is due before the conversation in hand; None where none is."""
    control = ledger.campaign.control
    if control is None:
        return None
    context = build_context(ledger)
    if context.demand.baseline:
        return None
    return {"control": _of_control(ledger, context, control), "libraries": libraries_here(ledger)}


def libraries_here(ledger: Ledger) -> dict[str, str]:
    """Package -> version of what the answers hang on, as installed on this machine."""
    control = ledger.campaign.control
    return {} if control is None else libraries(control.explorer)


def _of_control(ledger: Ledger, context: Context, control: Control) -> dict[str, Proposal]:
    known = control_context(ledger, context)
    changes = changes_of(ledger.campaign, control.explorer, known, CONTROL_STREAM)
    return {str(slot): _proposal(ledger, known, slot, changes) for slot in context.demand.control}


def _proposal(ledger: Ledger, known: Context, slot: int, changes: Changes) -> Proposal:
    """The next run of the control arm in ``slot``, on the seeds that the slot is offered."""
    move = changes.explore(slot) or _repeat(known, slot)
    parent = ledger.views.parent_config(move["parent"])
    assert parent is not None
    wanted: dict[str, Scalar] = {edit["key"]: edit["value"] for edit in move["edits"]}
    changed = difference(parent, parent.replaced(wanted, f"slot {slot}"))
    offer = known.seeds[slot]
    return {
        "role": CONTROL_ROLE,
        "parent": move["parent"],
        "parent_rule": f"control arm: {move['parent_rule']}",
        "mutation": render_mutation(changed, CONTROL_ROLE, move["parent"]),
        "changes": {key: [old, new] for key, (old, new) in changed.items()},
        "edits": [Edit(key=key, value=new).model_dump() for key, (_, new) in changed.items()],
        "simulation_seed": offer.simulation_seed,
        "training_seed": offer.training_seed,
        "seed_rationale": "suggested-default",
        "hypothesis": "none: the control arm's runs are compared by the program",
    }


def _repeat(known: Context, slot: int) -> Slot:
    """The best config of the control arm once more, where it has nothing new to try; the defaults before any run."""
    barred = next_slot_node(slot, known.n_parallel, known.last_node)
    ranked = sorted(known.results, key=lambda one: -one.score)
    node = next((node for one in ranked for node in one.nodes if node != barred), None)
    return {"parent": node, "parent_rule": "nothing new to try; its best config runs again", "edits": []}
