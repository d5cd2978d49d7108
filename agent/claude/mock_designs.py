"""How the mock fills a batch of the other designs: one config on all seeds, or one change a slot."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agent.claude.mock_moves import Slot, as_node, change, changes_of, confirm, owed_seeds, promise, repeat
from agent.ledger.policy import node_to_repeat
from prompts.context import ConfigView, Context
from state.config import Scalar

Step = tuple[str, tuple[Scalar, Scalar]]


def one_config(context: Context) -> list[Slot]:
    """All slots confirm the candidate that is owed runs, else try one change of a promising config, else repeat it."""
    if context.demand.owed is not None:
        return _confirmations(context)
    for config in _reachable(context, range(context.n_parallel)):
        for step in _untried(context, config):
            return [_changed(context, slot, config, step) for slot in range(context.n_parallel)]
    best = next(_reachable(context, range(context.n_parallel)))
    return [_repeated(context, slot, best) for slot in range(context.n_parallel)]


def one_change(context: Context) -> list[Slot]:
    """Slot 0 repeats a config, the one that is owed runs or the most promising; the others change a key of it."""
    owed = owed_seeds(context)
    control = confirm(context, 0, owed) if owed else None
    names = [one.config_id for one in context.demand.owed.candidates] if context.demand.owed and control else []
    reachable = list(_reachable(context, range(context.n_parallel)))
    config = next((view for view in reachable if view.config_id in names[:1]), reachable[0])
    if control is None or config.config_id not in names[:1]:
        control = _repeated(context, 0, config)
    steps, slots = list(_untried(context, config)) or list(_steps(context, config)), [control]
    for slot in range(1, context.n_parallel):
        slots.append(_changed(context, slot, config, steps[(slot - 1) % len(steps)]))
    return slots


DESIGNS: dict[str, Callable[[Context], list[Slot]]] = {"forced_seeds": one_config, "one_change": one_change}


def _reachable(context: Context, slots: range) -> Iterator[ConfigView]:
    """The configs of which every one of ``slots`` may name a node, the most promising first."""
    for config in sorted(context.configs, key=promise, reverse=True):
        if all(node_to_repeat(context, slot, config) is not None for slot in slots):
            yield config


def _steps(context: Context, config: ConfigView) -> Iterator[Step]:
    for _, rule, value in changes_of(context, as_node(config)):
        yield rule.key, (config.values[rule.key], value)


def _untried(context: Context, config: ConfigView) -> Iterator[Step]:
    done = {tuple(sorted(view.values.items())) for view in context.configs}
    for key, (old, new) in _steps(context, config):
        if tuple(sorted((config.values | {key: new}).items())) not in done:
            yield key, (old, new)


def _changed(context: Context, slot: int, config: ConfigView, step: Step) -> Slot:
    node = node_to_repeat(context, slot, config)
    assert node is not None
    return change(context, slot, node, f"{config.config_id} leads; one change of it", *step)


def _repeated(context: Context, slot: int, config: ConfigView) -> Slot:
    node, offer = node_to_repeat(context, slot, config), context.seeds[slot]
    assert node is not None
    why = f"{config.config_id} has {config.runs} runs; it needs runs on new data"
    return repeat(context, slot, node, why, offer.simulation_seed, "different-data-generalization") | {
        "hypothesis": f"{config.config_id} repeats its connectivity_R2 within two standard deviations."
    }


def _confirmations(context: Context) -> list[Slot]:
    """As many confirmation runs as are owed, the rest of the batch the same config on the offered seeds."""
    assert context.demand.owed is not None
    owed, name = owed_seeds(context), context.demand.owed.candidates[0].config_id
    config = next(view for view in context.configs if view.config_id == name)
    return [confirm(context, slot, owed) or _repeated(context, slot, config) for slot in range(context.n_parallel)]
