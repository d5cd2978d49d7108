"""What stands at the end of a conversation: accepted proposals, and a fallback for every slot that has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.guard.confirmation import confirmation_slots, furthest
from agent.guard.owed_rules import served
from agent.guard.reply import EntryReply, Reply
from agent.guard.ruling import Accepted, Ruling, mutation_line
from agent.guard.text_rules import kept
from agent.ledger.control import control_judgement, control_run
from agent.ledger.ledger import Ledger
from agent.ledger.policy import node_to_repeat
from agent.ledger.run_ahead import proposal_of, runs_ahead_of
from agent.ledger.standard import standard_run
from agent.ledger.views import run_key
from prompts.context import ConfigView, Context, SeedOffer
from prompts.memory import without_table
from state.metrics import REWARD
from state.records import CONTROL_ROLE, Edit, Role
from state.shapes import Proposal, ReplyAccepted

NO_ENTRY = {
    "embedding": "not described: no accepted reply",
    "observation": "not described: no accepted reply",
    "verdict": "inconclusive",
    "verdict_reason": "no accepted reply",
}
UNSEEN = "none: this campaign sends no pictures"


def accepted_data(ledger: Ledger, context: Context, reply: Reply | None, ruling: Ruling) -> ReplyAccepted:
    """The data of `reply_accepted`: one proposal a slot, judgements, memory, and what was replaced and why."""
    accepted, proposals, replaced = settled_proposals(ledger, context, ruling)
    entries = [NO_ENTRY if entry is None else _judgement(entry) for entry in ruling.entries]
    for iteration in ledger.history.batch(ledger.history.planned):
        if iteration.planned.role == CONTROL_ROLE:
            entries[iteration.planned.slot] = control_judgement(ledger, iteration)
    memory = ledger.history.memory if ruling.memory is None else ledger.blobs.put(without_table(ruling.memory))
    alone = _tell_who_is_alone(ledger, accepted, proposals)
    asked = context.n_parallel - len(context.demand.of_program)
    if reply is None or (context.demand.ahead and len(replaced) == asked):
        # Those slots would run in any case, but nothing of the conversation was of use.
        reasons = [violation.sentence() for violation in ruling.violations]
        own = set(context.demand.of_program) - set(context.demand.control)
        replaced |= {str(slot): reasons for slot in sorted(own)}
    settings = {key: value for item in accepted if item is not None for key, value in item.settings.items()}
    data: ReplyAccepted = {
        "proposals": proposals,
        "judgements": [] if context.kind == "start" else entries,
        "memory": memory or ledger.blobs.put(context.memory),
        "block_summary": kept("block_summary", reply.block_summary) if reply else None,
        "acknowledged": kept("acknowledged", reply.acknowledged) if reply else None,
        "checks": [list(wrong) for wrong in ruling.figures.slots],
        "memory_checks": list(ruling.figures.memory),
        "warnings": [v.sentence() for v in ruling.warnings] + alone,
        "fallbacks": replaced,
    }
    if settings:
        data["settings"] = settings
    if context.last_batch:
        data["suggestions"] = True
    return data


def _judgement(entry: EntryReply) -> dict[str, Any]:
    return entry.model_dump() | {"embedding": UNSEEN if entry.embedding is None else entry.embedding}


def settled_proposals(
    ledger: Ledger, context: Context, ruling: Ruling
) -> tuple[list[Accepted | None], list[Proposal], dict[str, list[str]]]:
    """What stands of the ruling, a proposal for every slot, and for each fallback, by slot, why it is there."""
    accepted, proposals = list(ruling.accepted), list[Proposal]()
    replaced: dict[str, list[str]] = {}
    screens = any(item is not None and item.screens for item in accepted)
    if ledger.campaign.policy.replicates == "reject" and not context.last_batch and not screens:
        _enough_replicates(context, accepted)
        _enough_confirmations(ledger, context, accepted)
        _enough_of_the_short(ledger, context, accepted)
    taken = {run_key(item.config) for item in accepted if item is not None} | runs_ahead_of(ledger)
    due = _due(ledger, context, accepted)
    done = served(accepted, context.demand, ledger.history.config_ids)
    short = [one.config_id for one in context.demand.short for _ in range(one.lacks - done[one.config_id])]
    for slot, item in enumerate(accepted):
        if slot in ledger.history.ahead:
            proposals.append(proposal_of(ledger.history.ahead[slot].planned))
            continue
        if slot in context.demand.standard:
            proposals.append(standard_run(ledger, context.seeds[slot], proposals))
            continue
        if slot in context.demand.control:
            proposals.append(control_run(ledger, slot))
            continue
        if item is None:
            replaced[str(slot)] = [v.sentence() for v in ruling.violations if v.slot in (slot, None)]
        proposals.append(_fallback(ledger, context, slot, taken, due, short) if item is None else _proposal(item))
    return accepted, proposals, replaced


def _enough_replicates(context: Context, accepted: list[Accepted | None]) -> None:
    """A batch that still lacks replicates gives up its last explorations, so that the policy holds."""
    have = _open(context, accepted) + sum(item is not None and item.is_replicate for item in accepted)
    _give_up(accepted, context.demand.min_replicates - have, lambda slot, item: not item.is_replicate)


def _enough_confirmations(ledger: Ledger, context: Context, accepted: list[Accepted | None]) -> None:
    """A batch that lacks confirmation runs gives up its last other replicates for them."""
    owed = context.demand.owed
    confirming = confirmation_slots(accepted, owed, ledger.history.config_ids)
    lacking = (owed.runs if owed else 0) - len(confirming) - _open(context, accepted)
    _give_up(accepted, lacking, lambda slot, item: slot not in confirming and item.is_replicate)


def _enough_of_the_short(ledger: Ledger, context: Context, accepted: list[Accepted | None]) -> None:
    """A batch that lacks runs of the configs that need them gives up its last other replicates for them."""
    names = ledger.history.config_ids
    done, confirming = served(accepted, context.demand, names), confirmation_slots(accepted, context.demand.owed, names)

    def is_other(slot: int, item: Accepted) -> bool:
        return slot not in confirming and item.is_replicate and names.get(item.config.identity()) not in done

    lacking = context.demand.short_replicates - sum(done.values()) - _open(context, accepted)
    _give_up(accepted, lacking, is_other)


def _open(context: Context, accepted: list[Accepted | None]) -> int:
    """How many slots have no accepted proposal and get a fallback."""
    return sum(item is None and slot not in context.demand.of_program for slot, item in enumerate(accepted))


def _give_up(accepted: list[Accepted | None], lacking: int, gives: Callable[[int, Accepted], bool]) -> None:
    """Make room for ``lacking`` slots: as many as can be of those that ``gives`` names, the last first."""
    named = [slot for slot, item in enumerate(accepted) if item is not None and gives(slot, item)]
    for slot in named[::-1][: max(0, lacking)]:
        accepted[slot] = None


@dataclass
class _Due:
    """Confirmation runs that fallbacks still have to make, and their data seeds."""

    config_id: str
    seeds: list[int]


def _due(ledger: Ledger, context: Context, accepted: list[Accepted | None]) -> _Due | None:
    if (owed := context.demand.owed) is None:
        return None
    candidate, have = furthest(accepted, owed, ledger.history.config_ids)
    free = [seed for seed in candidate.simulation_seeds if seed not in have.values()]
    return _Due(candidate.config_id, free[: max(0, owed.runs - len(have))])


def _proposal(item: Accepted) -> Proposal:
    proposal = item.proposal
    return {
        "role": proposal.role,
        "parent": proposal.node,
        "parent_rule": _line(proposal.parent_rule),
        "mutation": mutation_line(item.changes, proposal.role, proposal.node),
        "changes": {key: [old, new] for key, (old, new) in item.changes.items()},
        "edits": [Edit(key=key, value=new).model_dump() for key, (_, new) in item.changes.items()],
        "simulation_seed": proposal.simulation_seed,
        "training_seed": proposal.training_seed,
        "seed_rationale": proposal.seed_rationale,
        "hypothesis": _line(proposal.hypothesis),
    }


def _fallback(
    ledger: Ledger,
    context: Context,
    slot: int,
    taken: set[tuple[str, int, int]],
    due: _Due | None,
    short: list[str],
) -> Proposal:
    """A replicate, so that the GPU never idles: a confirmation run, else one of the best config that needs runs.

    In block 1 a baseline run. ``short``: the configs of the top that need runs, once for each; what is served is taken.
    """
    offer = context.seeds[slot]
    free = [config for config in context.configs if node_to_repeat(context, slot, config)]
    owed = [config for config in free if due is not None and due.seeds and config.config_id == due.config_id]
    config = None if context.demand.baseline or not free else owed[0] if owed else _needy(free, short)
    role: Role = "baseline" if config is None else "fallback"
    parent = None if config is None else node_to_repeat(context, slot, config)
    data = due.seeds.pop(0) if owed and due is not None else fresh_data(ledger, parent, offer, taken)
    why = "fallback of the program: no accepted proposal for this slot"
    return repeated(role, parent, why, data, fresh_training(ledger, parent, data, offer, taken))


def repeated(role: Role, parent: int | None, why: str, simulation_seed: int, training_seed: int) -> Proposal:
    """A run of the config of ``parent`` (None = the defaults), unchanged, that the program chose."""
    return {
        "role": role,
        "parent": parent,
        "parent_rule": why,
        "mutation": mutation_line({}, role, parent),
        "changes": {},
        "edits": [],
        "simulation_seed": simulation_seed,
        "training_seed": training_seed,
        "seed_rationale": "different-data-generalization",
        "hypothesis": "none: chosen by the program",
    }


def fresh_data(ledger: Ledger, parent: int | None, offer: SeedOffer, taken: set[tuple[str, int, int]]) -> int:
    """The offered simulation seed, or a later one where the model has already used it on this config.

    ``taken``: runs of the batch that stand (`run_key`).
    """
    config, seed = ledger.views.parent_config(parent), offer.simulation_seed
    if config is None:
        return seed
    identity = config.identity()
    known = ledger.views.seeds_of.get(identity, set())
    while seed in known or (identity, seed) in {run[:2] for run in taken}:
        seed += ledger.campaign.search.n_parallel
    return seed


def fresh_training(
    ledger: Ledger, parent: int | None, data: int, offer: SeedOffer, taken: set[tuple[str, int, int]]
) -> int:
    """The offered training seed, or a later one where the model has already given it to this config on ``data``."""
    config, seed = ledger.views.parent_config(parent), offer.training_seed
    if config is None:
        return seed
    while (run := (config.identity(), data, seed)) in ledger.views.known_runs or run in taken:
        seed += ledger.campaign.search.n_parallel
    return seed


def _tell_who_is_alone(ledger: Ledger, accepted: list[Accepted | None], proposals: list[Proposal]) -> list[str]:
    """A slot whose only partner on the same data was replaced is on new data: its rationale and a warning say so."""
    warnings = []
    for slot, item in enumerate(accepted):
        if item is None or item.proposal.seed_rationale != "same-data-robustness":
            continue
        seed, parent = item.config.simulation.seed, proposals[slot]["parent"]
        shared = {other["simulation_seed"] for place, other in enumerate(proposals) if place != slot}
        shared |= ledger.views.seeds_of.get(item.config.identity(), set())
        if parent is not None and (run := ledger.history.iterations.get(parent)) is not None:
            shared.add(run.planned.simulation_seed)
        if seed not in shared:
            proposals[slot]["seed_rationale"] = "different-data-generalization"
            warnings.append(f"[seed_mode] slot_{slot}, seed_rationale: the slot that shared its data was replaced")
    return warnings


def _needy(configs: list[ConfigView], owed: list[str]) -> ConfigView:
    """The first that is ``owed`` a run, else the best in mean connectivity of those without enough, else the best."""
    by_name = {view.config_id: view for view in configs}
    if (name := next((name for name in owed if name in by_name), None)) is not None:
        owed.remove(name)
        return by_name[name]
    short = [view for view in configs if not view.enough] or configs
    return max(short, key=lambda view: (view.mean.get(REWARD) or 0.0, -view.runs, view.config_id))


def _line(text: str) -> str:
    return " ".join(text.split())
