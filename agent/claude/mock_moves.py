"""What the mock's proposals are made of: baselines, repeats, confirmation runs, and single changes of a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from agent.ledger.policy import LENGTH_KEYS, neighbours, node_to_repeat
from prompts.context import ConfigView, Context, NodeView, Rule
from state.config import Scalar
from state.records import Role
from ucb.grammar import render_mutation

Slot = dict[str, Any]
# A key, its value in the parent and in the child.
Step = tuple[str, tuple[Scalar, Scalar]]


class Changes(Protocol):
    """What is new in a batch; all else (baseline, replicates, confirmation runs) follows from the demand."""

    def explore(self, slot: int) -> Slot | None:
        """One changed key of a node of this explorer's choice, for ``slot``; None when there is none left."""

    def untried(self, config: ConfigView) -> Iterator[Step]:
        """Changes of ``config`` that lead to a config that has not run, the most promising first."""


def owed_seeds(context: Context) -> list[int]:
    """The data seeds of the confirmation runs that are owed to the first candidate."""
    owed = context.demand.owed
    return owed.candidates[0].simulation_seeds[: owed.runs] if owed else []


def confirm(context: Context, slot: int, owed: list[int]) -> Slot | None:
    """A confirmation run on the next of the ``owed`` data seeds; None when none is left, or none can be made here."""
    if not owed or context.demand.owed is None:
        return None
    name = context.demand.owed.candidates[0].config_id
    config = next(view for view in context.configs if view.config_id == name)
    run = repeat(context, slot, config, f"{name} is the candidate: fresh runs on the baseline's data decide", owed[0])
    if run is None:
        return None
    del owed[0]
    return run | {"hypothesis": f"{name} is better than the baseline on the same data."}


def baseline(context: Context, slot: int) -> Slot:
    rule = "start of the campaign: the unchanged defaults measure the variance"
    hypothesis = "The defaults reach connectivity_R2 with a CV below 5 % over data seeds."
    return _unchanged(context, slot, None, rule, hypothesis)


def repeat(
    context: Context,
    slot: int,
    config: ConfigView,
    rule: str,
    simulation_seed: int,
    rationale: str = "different-data-generalization",
) -> Slot | None:
    """``config`` unchanged; None where the slot may name no node of it."""
    if (node := node_to_repeat(context, slot, config)) is None:
        return None
    hypothesis = f"{config.config_id} repeats its connectivity_R2 within two standard deviations."
    seeds = {"simulation_seed": simulation_seed, "seed_rationale": rationale}
    return _unchanged(context, slot, node, rule, hypothesis) | seeds


def verify_imported(context: Context, slot: int, done: set[tuple[tuple[str, Scalar], ...]]) -> Slot | None:
    """The first verified run of the imported config that its log praises most; None when all have been run here.

    Where the figures of the log help to choose: the one with the highest UCB.
    """
    order = {view.node: place for place, view in enumerate(context.stated_nodes)}
    for view in sorted(context.imported, key=lambda view: order.get(view.node, len(order))):
        if view.values is None or view.has_run or (config := identity_of(view.values)) in done:
            continue
        done.add(config)
        rule = f"imported node {view.node} is unverified: its config runs here for the first time"
        return _unchanged(
            context, slot, view.node, rule, "The config keeps the baseline's connectivity_R2 on new data."
        )
    return None


def _unchanged(context: Context, slot: int, node: int | None, rule: str, hypothesis: str) -> Slot:
    """The config of ``node`` (None = the defaults) on the seeds that the slot is offered."""
    offer = context.seeds[slot]
    role: Role = "baseline" if node is None else "replicate"
    return {
        "role": role,
        "parent": "root" if node is None else node,
        "parent_rule": rule,
        "mutation": render_mutation({}, role, node),
        "edits": [],
        "simulation_seed": offer.simulation_seed,
        "training_seed": offer.training_seed,
        "seed_rationale": "different-data-generalization",
        "hypothesis": hypothesis,
    }


def identity_of(values: Mapping[str, Scalar]) -> tuple[tuple[str, Scalar], ...]:
    """``values`` in a form that equal configs share."""
    return tuple(sorted(values.items()))


def tried(context: Context) -> set[tuple[tuple[str, Scalar], ...]]:
    """The configs that have run, as `identity_of` has them; also those of which a run was cut."""
    return {identity_of(values) for values in [*(view.values for view in context.configs), *context.hopeless]}


def promise(view: ConfigView) -> tuple[float, float, str]:
    connectivity, vrest = view.mean.get("connectivity_R2") or 0.0, view.mean.get("V_rest_R2") or 0.0
    return (connectivity + 0.5 * vrest, connectivity, view.config_id)


def change(context: Context, slot: int, node: int, why: str, key: str, step: tuple[Scalar, Scalar]) -> Slot:
    """A proposal of one changed key, on the seeds that the slot is offered."""
    offer = context.seeds[slot]
    return {
        "role": "exploit",
        "parent": node,
        "parent_rule": why,
        "mutation": render_mutation({key: step}, "exploit", node),
        "edits": [{"key": key, "value": step[1]}],
        "simulation_seed": offer.simulation_seed,
        "training_seed": offer.training_seed,
        "seed_rationale": "suggested-default",
        "hypothesis": f"{key.rsplit('.', 1)[-1]} = {step[1]} raises V_rest_R2 and keeps connectivity_R2.",
    }


def as_node(view: ConfigView) -> NodeView:
    return NodeView(
        node=view.node,
        parent=None,
        config_id=view.config_id,
        ucb=0.0,
        visits=view.runs,
        reward=view.mean.get("connectivity_R2") or 0.0,
        mutation="",
        pattern="",
        minutes=None,
        values=view.values,
    )


FIRST_BY_PATTERN = {
    "conn-drops": ("training.alternate_lr_ratio", +1),
    "vrest-flat": ("training.alternate_lr_ratio", -1),
    "vrest-falls": ("training.alternate_lr_ratio", -1),
    "conn-not-established": ("training.alternate_joint_ratio", +1),
}


def changes_of(context: Context, node: NodeView) -> Iterator[tuple[NodeView, Rule, Scalar]]:
    first, step = FIRST_BY_PATTERN.get(node.pattern, ("", 0))
    # Keys start at a place that moves with the batch, so that no key is always last.
    turn = context.batch % max(len(context.rules), 1)
    rules = sorted(context.rules, key=lambda rule: rule.key != first)
    rules = rules[:1] + rules[1:][turn:] + rules[1:][:turn] if first else rules[turn:] + rules[:turn]
    for rule in rules:
        both = neighbours(rule, node.values[rule.key])
        for value in reversed(both) if rule.key == first and step < 0 else both:
            if not _too_long(context, node, rule, value):
                yield node, rule, value


def _too_long(context: Context, node: NodeView, rule: Rule, value: Scalar) -> bool:
    """Whether ``value`` would stretch the node's predicted minutes, which grow with its length, past the limit."""
    if rule.key not in LENGTH_KEYS or node.minutes is None:
        return False
    return node.minutes * float(value) / float(node.values[rule.key]) > context.time_limit_min
