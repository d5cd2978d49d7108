"""Which replicate that is owed is run ahead of its batch in a place that is idle: `policy.fill_idle: on`.

From the journal alone, but for what a driver saw of the time: which runs have ended, and how long the others will take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agent.briefing.next_batch import next_demand, seed_offers
from agent.guard.acceptance import fresh_data, fresh_training, repeated
from agent.ledger.ledger import Ledger
from agent.ledger.policy import next_slot_node
from agent.ledger.run_ahead import runs_ahead_of
from agent.night.plan import child_config, plan_slot
from prompts.context import SeedOffer
from state.shapes import Proposal, SlotPlanned

# A run ahead must save at least this share of its time; for less the choice is left to Claude.
SAVES = 0.5


def slot_ahead(ledger: Ledger, ended: Sequence[int], waits_for: int, left_min: float) -> SlotPlanned | None:
    """The data of the `slot_planned` that is due, None where nothing is owed or too little time would be saved.

    ``ended``: iterations of the batch in hand that have ended; ``waits_for`` trains ``left_min`` longer.
    """
    found = ((slot, _owed(ledger, slot, ended)) for slot in _free_slots(ledger, ended))
    slot, proposal = next((one for one in found if one[1] is not None), (0, None))
    if proposal is None:
        return None
    takes = ledger.views.times.predict(child_config(ledger, slot, proposal))
    if takes is None or left_min < SAVES * takes:
        return None
    return {
        "slot": plan_slot(ledger, slot, proposal, {}).model_dump(mode="json"),
        "ended": list(ended),
        "waits_for": waits_for,
        "left_min": left_min,
        "takes_min": takes,
    }


def _free_slots(ledger: Ledger, ended: Sequence[int]) -> list[int]:
    """The slots whose runs have ended and that the next batch has free: two runs never share a slot's data."""
    history, control = ledger.history, ledger.campaign.control_slots
    batch = [iteration.planned for iteration in history.batch(history.planned)]
    return [one.slot for one in batch if one.iteration in ended and one.slot not in {*history.ahead, *control}]


def _owed(ledger: Ledger, slot: int, ended: Sequence[int]) -> Proposal | None:
    """A run that the next batch must hold, whoever plans it: for the trial in hand, else of a config of the top.

    None where nothing is owed, or ``slot`` may name none of its nodes as parent.
    """
    policy, demand = ledger.campaign.policy, next_demand(ledger)
    if policy.fill_idle == "off" or policy.design != "roles" or demand.baseline or not demand.min_replicates:
        return None
    offer = seed_offers(ledger)[slot]
    # Which leader goes on trial is Claude's choice; a trial that has begun has a config and seeds.
    if demand.owed is not None and ledger.views.confirmations.open is not None:
        candidate = demand.owed.candidates[0]
        if (node := _node(ledger, slot, candidate.config_id)) is not None:
            why = f"{candidate.config_id} is on trial"
            return _proposal(ledger, node, candidate.simulation_seeds[0], offer, why)
    training = Counter(it.planned.config_id for it in ledger.history.unfinished() if it.planned.iteration not in ended)
    for one in demand.short:
        if one.lacks > training[one.config_id] and (node := _node(ledger, slot, one.config_id)) is not None:
            seed = fresh_data(ledger, node, offer, runs_ahead_of(ledger))
            return _proposal(ledger, node, seed, offer, f"{one.config_id} is of the top configs and needs runs")
    return None


def _node(ledger: Ledger, slot: int, config_id: str) -> int | None:
    """The latest run of a config that the slot may name as parent."""
    barred = next_slot_node(slot, ledger.campaign.search.n_parallel, ledger.history.last_node)
    runs = ledger.views.table[config_id].runs
    return max((run.iteration for run in runs if run.iteration != barred), default=None)


def _proposal(ledger: Ledger, parent: int, simulation_seed: int, offer: SeedOffer, why: str) -> Proposal:
    training_seed = fresh_training(ledger, parent, simulation_seed, offer, runs_ahead_of(ledger))
    why = f"run ahead by the program in an idle place: {why}"
    return repeated("replicate", parent, why, simulation_seed, training_seed)
