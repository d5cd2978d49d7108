"""Accepted proposals become slot configs: the parent's config, the accepted edits, the seeds, and nothing else."""

from __future__ import annotations

from typing import Any

from agent.night import Night
from state.config import SlotConfig
from state.errors import NightflyError
from state.files import dump_yaml, write_atomic
from state.records import Planned


def plan_batch(night: Night) -> None:
    """Journal the next batch, then write its config files; all entries of the last batch are already committed."""
    history = night.history
    number, new_ids = history.planned + 1, dict[str, str]()
    slots = [
        _plan_slot(night, slot, proposal, new_ids, number).model_dump(mode="json")
        for slot, proposal in enumerate(history.proposals)
    ]
    night.record("batch_planned", {"slots": slots, "new_config_ids": new_ids}, batch=number)
    write_configs(night)


def _plan_slot(night: Night, slot: int, proposal: dict[str, Any], new_ids: dict[str, str], batch: int) -> Planned:
    config = child_config(night, slot, proposal)
    identity, iteration = config.identity(), night.history.next_iteration + slot
    known = night.history.config_ids | new_ids
    if identity not in known:
        new_ids[identity] = known[identity] = f"C{len(known) + 1}"
    return Planned(
        iteration=iteration,
        batch=batch,
        slot=slot,
        run_id=f"{night.campaign.name}.{iteration:04d}",
        parent=proposal["parent"],
        role=proposal["role"],
        mutation=proposal["mutation"],
        parent_rule=proposal["parent_rule"],
        hypothesis=proposal["hypothesis"],
        simulation_seed=proposal["simulation_seed"],
        training_seed=proposal["training_seed"],
        seed_rationale=proposal["seed_rationale"],
        config=night.blobs.put(dump_yaml(config.model_dump())),
        config_hash=config.hash(),
        config_id=known[identity],
        changes={key: (old, new) for key, (old, new) in proposal["changes"].items()},
    )


def child_config(night: Night, slot: int, proposal: dict[str, Any]) -> SlotConfig:
    """The config that ``proposal`` describes, made from its parent's."""
    parent = night.views.parent_config(proposal["parent"])
    if parent is None:
        raise NightflyError(
            f"slot {slot}: the accepted parent {proposal['parent']} has no config; the journal is damaged"
        )
    changes = {key: new for key, (_, new) in proposal["changes"].items()}
    place = {
        "dataset": night.campaign.dataset(slot),
        "simulation.seed": proposal["simulation_seed"],
        "training.seed": proposal["training_seed"],
    }
    return parent.replaced(changes | place, f"slot {slot}")


def write_configs(night: Night) -> None:
    """`configs/<name>_00.yaml` ... of the batch in hand; derived from the journal, written again at each start."""
    for iteration in night.history.batch(night.history.planned):
        path = night.paths.config(night.campaign.name, iteration.planned.slot)
        write_atomic(path, night.blobs.get(iteration.planned.config))
