"""How the mock fills a batch by the addendum's table of roles: exploit, exploit, then replicates."""

from __future__ import annotations

from collections.abc import Sequence

from agent.claude.mock_moves import Changes, Slot, baseline, confirm, owed_seeds, promise, repeat
from agent.ledger.policy import exploring_slots, node_to_repeat
from prompts.context import ConfigView, Context

SHARED_EVERY = 3


def roles(context: Context, changes: Changes, fresh_data: bool = False) -> list[Slot]:
    """One proposal a slot: baseline, or exploit, exploit, then replicates (the addendum's table of slots).

    Of the replicates, those come first that are owed to a candidate. What runs ahead already is one of them. A slot of
    the control arm has an empty one.
    """
    taken, control, explorers = context.demand.of_program, context.demand.control, exploring_slots(context)
    slots: list[Slot] = []
    turns, owed = list(range(max(context.demand.min_replicates, 1))), owed_seeds(context)
    short = [one.config_id for one in context.demand.short for _ in range(one.lacks)]
    for slot in range(context.n_parallel):
        if slot in taken:
            slots.append({} if slot in control else baseline(context, slot))
            continue
        if slot in explorers:
            proposal = changes.explore(slot)
        else:
            proposal = confirm(context, slot, owed) or _build_up(context, slot, short)
        slots.append(proposal or _replicate(context, slot, _turn(context, slot, turns), fresh_data))
    return slots if fresh_data else _on_shared_data(context, slots)


def _on_shared_data(context: Context, slots: list[Slot]) -> list[Slot]:
    """Every third batch after block 1 tests training alone: one simulation seed in all slots that may choose theirs."""
    owed = context.demand.owed
    fixed = set(owed.candidates[0].simulation_seeds) if owed else set()
    taken = context.demand.of_program
    free = [n for n, proposal in enumerate(slots) if n not in taken and proposal["simulation_seed"] not in fixed]
    following = context.batch + 1
    if context.format == 1 or following % SHARED_EVERY or len(free) < 2:
        return slots
    shared = {"seed_rationale": "same-data-robustness"}
    return [
        proposal | shared | {"simulation_seed": context.seeds[slot].shared_simulation_seed}
        if slot in free
        else proposal
        for slot, proposal in enumerate(slots)
    ]


def _build_up(context: Context, slot: int, short: list[str]) -> Slot | None:
    """A run on new data of the first of ``short`` that can be made here; None when none is left."""
    views = {view.config_id: view for view in context.configs}
    for name in short:
        if name not in views:
            continue
        rule = f"{name} is of the top configs and has {views[name].runs} runs; it needs more"
        if run := repeat(context, slot, views[name], rule, context.seeds[slot].simulation_seed):
            short.remove(name)
            return run
    return None


def _turn(context: Context, slot: int, turns: list[int]) -> int:
    """Take the first of ``turns`` whose config has a node that ``slot`` may name; 0 when none are left."""
    fitting = (turn for turn in turns if node_to_repeat(context, slot, _choose(context.configs, turn)))
    turn = next(fitting, turns[0] if turns else 0)
    turns[:] = [other for other in turns if other != turn]
    return turn


def _choose(configs: Sequence[ConfigView], turn: int) -> ConfigView:
    """On even turns a promising config with few runs, on odd ones the best."""
    ranked = sorted(configs, key=promise, reverse=True)
    young = [view for view in ranked if (view.data_seeds or view.runs) < 3]
    return young[0] if turn % 2 == 0 and young else ranked[0]


def _replicate(context: Context, slot: int, turn: int, fresh_data: bool) -> Slot:
    """Even turns build up a promising config with few runs on new data; odd ones test the best on known data."""
    config = _choose([view for view in context.configs if node_to_repeat(context, slot, view)], turn)
    same = turn % 2 == 1 and bool(config.simulation_seeds) and not fresh_data
    why = "its data are kept to isolate training variance" if same else "it needs runs on new data"
    run = repeat(
        context,
        slot,
        config,
        f"{config.config_id} has {config.runs} runs; {why}",
        config.simulation_seeds[0] if same else context.seeds[slot].simulation_seed,
        "same-data-robustness" if same else "different-data-generalization",
    )
    assert run is not None
    return run
