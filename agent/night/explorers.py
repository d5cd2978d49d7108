"""What is asked of the program's own explorers before Claude is: the next runs of the control arm, and hints.

Their answers are journaled, so a replay needs no library of theirs; where it has the same versions, it asks again.
"""

from __future__ import annotations

from agent.briefing.context import build_context
from agent.briefing.control import control_context
from agent.briefing.results import results
from agent.claude.mock_moves import Changes, Slot
from agent.explorers.beside import CONTROL_STREAM, HINT_STREAM, changes_of, libraries
from agent.ledger.ledger import Ledger
from agent.ledger.policy import exploring_slots, next_slot_node
from agent.night.night import Night
from prompts.context import Context
from state.config import Scalar, difference
from state.control import Control
from state.explorer import Hinter
from state.records import CONTROL_ROLE, Edit
from state.shapes import ExplorerAsked, Hint, Proposal
from ucb.grammar import render_mutation


def ask_explorers(night: Night) -> None:
    """Journal what the program's explorers propose for the next batch, once; nothing where there are none."""
    history = night.history
    if history.asked_explorers is None and not history.exchanges and (data := asked_data(night)) is not None:
        night.record("explorer_asked", data)


def asked_data(ledger: Ledger) -> ExplorerAsked | None:
    """The data of the `explorer_asked` that is due before the conversation in hand; None where none is."""
    control, hinter = ledger.campaign.control, ledger.history.hints
    if control is None and hinter is None:
        return None
    context = build_context(ledger)
    if context.demand.baseline:
        return None
    proposals = {} if control is None else _of_control(ledger, context, control)
    asked: ExplorerAsked = {"control": proposals, "libraries": libraries_here(ledger)}
    return asked if hinter is None else {**asked, "hints": _hints(ledger, context, hinter)}


def libraries_here(ledger: Ledger) -> dict[str, str]:
    """Package -> version of what the answers hang on, as installed on this machine."""
    control, hinter = ledger.campaign.control, ledger.history.hints
    return ({} if control is None else libraries(control.explorer)) | ({} if hinter is None else libraries(hinter))


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


def _hints(ledger: Ledger, context: Context, hinter: Hinter) -> list[Hint]:
    """What ``hinter`` would try in each exploit slot of the night's explorer, told of all runs but the control's."""
    known = context.model_copy(update={"results": results(ledger, ledger.views.table)})
    changes = changes_of(ledger.campaign, hinter, known, HINT_STREAM)
    moves = [(slot, changes.explore(slot)) for slot in exploring_slots(context)]
    return [_hint(ledger, slot, move) for slot, move in moves if move is not None]


def _hint(ledger: Ledger, slot: int, move: Slot) -> Hint:
    edit, parent = move["edits"][0], ledger.history.iterations[move["parent"]]
    return {
        "slot": slot,
        "parent": move["parent"],
        "config_id": parent.planned.config_id,
        "key": edit["key"],
        "old": ledger.views.config(parent).flat()[edit["key"]],
        "new": edit["value"],
        "why": move["parent_rule"].rpartition(": ")[2],
    }


def _repeat(known: Context, slot: int) -> Slot:
    """The best config of the control arm once more, where it has nothing new to try; the defaults before any run."""
    barred = next_slot_node(slot, known.n_parallel, known.last_node)
    ranked = sorted(known.results, key=lambda one: -one.score)
    node = next((node for one in ranked for node in one.nodes if node != barred), None)
    return {"parent": node, "parent_rule": "nothing new to try; its best config runs again", "edits": []}
