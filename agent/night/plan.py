"""Accepted proposals become slot configs: the parent's config, the accepted edits, the seeds, and nothing else."""

from __future__ import annotations

from pathlib import Path

from agent.ledger.ledger import Ledger
from agent.night.night import Night
from agent.night.suggestions import proposals_to_run
from state.config import SlotConfig
from state.errors import NightflyError
from state.files import write_atomic
from state.paths import RunPaths
from state.records import CONTROL_ROLE, STANDARD_ROLE, Planned
from state.shapes import BatchPlanned, Proposal
from ucb.variance import STANDARD, control_identity, next_config_id


def plan_batch(night: Night) -> None:
    """Journal the next batch, then write its config files; all entries of the last batch are already committed."""
    night.record("batch_planned", planned_data(night), batch=night.history.planned + 1)
    night.journal.check()
    write_configs(night, night.paths)


def planned_data(ledger: Ledger) -> BatchPlanned:
    """The data of `batch_planned` that follows from the proposals committed last."""
    new_ids: dict[str, str] = {}
    ahead = ledger.history.ahead
    slots = [
        ahead[slot].planned if slot in ahead else plan_slot(ledger, slot, proposal, new_ids)
        for slot, proposal in enumerate(proposals_to_run(ledger))
    ]
    return {"slots": [slot.model_dump(mode="json") for slot in slots], "new_config_ids": new_ids}


def plan_slot(ledger: Ledger, slot: int, proposal: Proposal, new_ids: dict[str, str]) -> Planned:
    """A slot of the next batch; a config that is new gets its short name in ``new_ids``."""
    config = child_config(ledger, slot, proposal)
    identity, iteration = config.identity(), ledger.history.next_iteration + slot
    identity = control_identity(identity) if (of_control := proposal["role"] == CONTROL_ROLE) else identity
    known = ledger.history.config_ids
    if identity not in known and identity not in new_ids:
        names = [*known.values(), *new_ids.values()]
        new_ids[identity] = STANDARD if proposal["role"] == STANDARD_ROLE else next_config_id(names, of_control)
    blob = ledger.blobs.put(config.yaml())
    ledger.views.remember(blob, config)
    return Planned(
        iteration=iteration,
        batch=ledger.history.planned + 1,
        slot=slot,
        run_id=f"{ledger.campaign.name}.{iteration:04d}",
        parent=proposal["parent"],
        role=proposal["role"],
        mutation=proposal["mutation"],
        parent_rule=proposal["parent_rule"],
        hypothesis=proposal["hypothesis"],
        simulation_seed=proposal["simulation_seed"],
        training_seed=proposal["training_seed"],
        seed_rationale=proposal["seed_rationale"],
        config=blob,
        config_hash=config.hash(),
        config_id=new_ids.get(identity) or known[identity],
        changes={key: (old, new) for key, (old, new) in proposal["changes"].items()},
    )


def child_config(ledger: Ledger, slot: int, proposal: Proposal) -> SlotConfig:
    """The config that ``proposal`` describes, made from its parent's."""
    parent = ledger.views.parent_config(proposal["parent"])
    if parent is None:
        raise NightflyError(
            f"slot {slot}: the accepted parent {proposal['parent']} has no config; the journal is damaged"
        )
    changes = {key: new for key, (_, new) in proposal["changes"].items()}
    return ledger.campaign.child(parent, slot, changes, proposal["simulation_seed"], proposal["training_seed"])


def write_configs(ledger: Ledger, paths: RunPaths) -> list[Path]:
    """`configs/<name>_00.yaml` ... of the batch in hand; derived from the journal, written again at each start."""
    written = []
    for iteration in ledger.history.batch(ledger.history.planned):
        path = paths.config(ledger.campaign.name, iteration.planned.slot)
        write_atomic(path, ledger.blobs.get(iteration.planned.config))
        written.append(path)
    return written
