"""How the mock fills a batch of the other designs: one config on all seeds, or one change a slot."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agent.claude.mock_moves import (
    Changes,
    Slot,
    Step,
    as_node,
    change,
    changes_of,
    confirm,
    owed_seeds,
    promise,
    repeat,
)
from agent.ledger.policy import node_to_repeat
from prompts.context import ConfigView, Context


def one_config(context: Context, changes: Changes) -> list[Slot]:
    """All slots confirm the candidate that is owed runs, else try one change of a promising config, else repeat it."""
    if context.demand.owed is not None:
        return _confirmations(context)
    for config in _reachable(context):
        for step in changes.untried(config):
            return [_changed(context, slot, config, step) for slot in range(context.n_parallel)]
    best = next(_reachable(context))
    return [_repeated(context, slot, best) for slot in range(context.n_parallel)]


def one_change(context: Context, changes: Changes) -> list[Slot]:
    """Slot 0 repeats a config, the one that is owed runs or the most promising; the others change a key of it."""
    candidate = context.demand.owed.candidates[0].config_id if context.demand.owed else None
    reachable = list(_reachable(context))
    config = next((view for view in reachable if view.config_id == candidate), reachable[0])
    control = confirm(context, 0, owed_seeds(context)) if config.config_id == candidate else None
    steps = list(changes.untried(config)) or list(steps_of(context, config))
    others = range(1, context.n_parallel)
    changed = [_changed(context, slot, config, steps[(slot - 1) % len(steps)]) for slot in others]
    return [control or _repeated(context, 0, config), *changed]


DESIGNS: dict[str, Callable[[Context, Changes], list[Slot]]] = {"forced_seeds": one_config, "one_change": one_change}


def _reachable(context: Context) -> Iterator[ConfigView]:
    """The configs of which every slot may name a node, the most promising first."""
    for config in sorted(context.configs, key=promise, reverse=True):
        if all(node_to_repeat(context, slot, config) is not None for slot in range(context.n_parallel)):
            yield config


def steps_of(context: Context, config: ConfigView) -> Iterator[Step]:
    """The changes of one key of ``config`` to a neighbouring value."""
    for _, rule, value in changes_of(context, as_node(config)):
        yield rule.key, (config.values[rule.key], value)


def _changed(context: Context, slot: int, config: ConfigView, step: Step) -> Slot:
    node = node_to_repeat(context, slot, config)
    assert node is not None
    return change(context, slot, node, f"{config.config_id} leads; one change of it", *step)


def _repeated(context: Context, slot: int, config: ConfigView) -> Slot:
    why = f"{config.config_id} has {config.runs} runs; it needs runs on new data"
    run = repeat(context, slot, config, why, context.seeds[slot].simulation_seed)
    assert run is not None
    return run


def _confirmations(context: Context) -> list[Slot]:
    """As many confirmation runs as are owed, the rest of the batch the same config on the offered seeds."""
    assert context.demand.owed is not None
    owed, name = owed_seeds(context), context.demand.owed.candidates[0].config_id
    config = next(view for view in context.configs if view.config_id == name)
    return [confirm(context, slot, owed) or _repeated(context, slot, config) for slot in range(context.n_parallel)]
