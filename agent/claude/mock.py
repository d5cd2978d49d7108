"""MockLLM: a deterministic explorer that follows the addendum, so that a dry run is a sensible night.

It knows only the context of the prompt, and its answer is text that goes through the same schema, guard and journal
as Claude's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from agent.claude.mock_entries import judge, memory_text
from agent.claude.protocol import Completion, Prompt
from agent.ledger.policy import next_slot_node, node_to_repeat
from prompts.context import ConfigView, Context, NodeView, Rule
from state.config import Scalar
from ucb.grammar import render_mutation

Slot = dict[str, Any]
SHARED_EVERY = 3


class MockLLM:
    """Answers every prompt by rule; the same prompt always gets the same reply.

    ``fresh_data``: its replicates are all on new data, but for those that the program asks for.
    """

    model = "mock-explorer"
    _fresh_data = False

    def __init__(self, fresh_data: bool = False) -> None:
        self._fresh_data = fresh_data

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        """A reply to ``prompt``; it costs nothing and never fails."""
        return Completion(
            text=json.dumps(answer(prompt.context, self._fresh_data), indent=1),
            stop_reason="end_turn",
            model=self.model,
        )


def answer(context: Context, fresh_data: bool = False) -> dict[str, Any]:
    """The whole reply as plain data."""
    proposals = propose(context, fresh_data)
    if context.kind == "start":
        slots: Slot = {f"slot_{n}": {"proposal": proposal} for n, proposal in enumerate(proposals)}
        return slots | {"memory": memory_text(context)}
    entries = [judge(context, view) for view in context.slots]
    slots = {f"slot_{n}": {"entry": entry, "proposal": proposals[n]} for n, entry in enumerate(entries)}
    summary = memory_text(context).split("### Established Principles")[1].split("###")[0].strip()
    return slots | {
        "memory": memory_text(context),
        "block_summary": summary or "No principle yet." if context.block_end else None,
        "acknowledged": "Read and noted." if context.user_input else None,
    }


def propose(context: Context, fresh_data: bool = False) -> list[Slot]:
    """One proposal a slot: baseline, or exploit, exploit, then replicates (the addendum's table of slots).

    Of the replicates, those come first that are owed to a candidate.
    """
    if context.demand.baseline:
        return [_baseline(context, slot) for slot in range(context.n_parallel)]
    if context.design != "roles":
        from agent.claude.mock_designs import DESIGNS

        return DESIGNS[context.design](context)
    replicates = max(context.demand.min_replicates, 1)
    explorers = context.n_parallel - replicates
    moves, done = list(_moves(context)), {tuple(sorted(view.values.items())) for view in context.configs}
    slots, turns, owed = [], list(range(replicates)), owed_seeds(context)
    short = [one.config_id for one in context.demand.short for _ in range(one.lacks)]
    for slot in range(context.n_parallel):
        if slot < explorers:
            proposal = _explore(context, slot, moves, done)
        else:
            proposal = confirm(context, slot, owed) or _build_up(context, slot, short)
        slots.append(proposal or _replicate(context, slot, _turn(context, slot, turns), fresh_data))
    return slots if fresh_data else _on_shared_data(context, slots)


def _on_shared_data(context: Context, slots: list[Slot]) -> list[Slot]:
    """Every third batch after block 1 tests training alone: one simulation seed in all slots that may choose theirs."""
    owed = context.demand.owed
    fixed = set(owed.candidates[0].simulation_seeds) if owed else set()
    free = [slot for slot, proposal in enumerate(slots) if proposal["simulation_seed"] not in fixed]
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
    if (node := node_to_repeat(context, slot, config)) is None:
        return None
    rule = f"{name} is the candidate: fresh runs on the baseline's data decide"
    return repeat(context, slot, node, rule, owed.pop(0), "different-data-generalization") | {
        "hypothesis": f"{name} is better than the baseline on the same data."
    }


def _build_up(context: Context, slot: int, short: list[str]) -> Slot | None:
    """A run on new data of the first of ``short`` that can be made here; None when none is left."""
    views = {view.config_id: view for view in context.configs}
    for name in short:
        if name in views and (node := node_to_repeat(context, slot, views[name])) is not None:
            short.remove(name)
            rule = f"{name} is of the top configs and has {views[name].runs} runs; it needs more"
            seed = context.seeds[slot].simulation_seed
            return repeat(context, slot, node, rule, seed, "different-data-generalization") | {
                "hypothesis": f"{name} repeats its connectivity_R2 within two standard deviations."
            }
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


def _baseline(context: Context, slot: int) -> Slot:
    offer = context.seeds[slot]
    return {
        "role": "baseline",
        "parent": "root",
        "parent_rule": "start of the campaign: the unchanged defaults measure the variance",
        "mutation": render_mutation({}, "baseline", None),
        "edits": [],
        "simulation_seed": offer.simulation_seed,
        "training_seed": offer.training_seed,
        "seed_rationale": "different-data-generalization",
        "hypothesis": "The defaults reach connectivity_R2 with a CV below 5 % over data seeds.",
    }


def _replicate(context: Context, slot: int, turn: int, fresh_data: bool) -> Slot:
    """Even turns build up a promising config with few runs on new data; odd ones test the best on known data."""
    config = _choose([view for view in context.configs if node_to_repeat(context, slot, view)], turn)
    same = turn % 2 == 1 and bool(config.simulation_seeds) and not fresh_data
    why = "its data are kept to isolate training variance" if same else "it needs runs on new data"
    node = node_to_repeat(context, slot, config)
    assert node is not None
    return repeat(
        context,
        slot,
        node,
        f"{config.config_id} has {config.runs} runs; {why}",
        config.simulation_seeds[0] if same else context.seeds[slot].simulation_seed,
        "same-data-robustness" if same else "different-data-generalization",
    ) | {"hypothesis": f"{config.config_id} repeats its connectivity_R2 within two standard deviations."}


def repeat(context: Context, slot: int, node: int, rule: str, simulation_seed: int, rationale: str) -> Slot:
    return {
        "role": "replicate",
        "parent": node,
        "parent_rule": rule,
        "mutation": render_mutation({}, "replicate", node),
        "edits": [],
        "simulation_seed": simulation_seed,
        "training_seed": context.seeds[slot].training_seed,
        "seed_rationale": rationale,
    }


def promise(view: ConfigView) -> tuple[float, float, str]:
    connectivity, vrest = view.mean.get("connectivity_R2") or 0.0, view.mean.get("V_rest_R2") or 0.0
    return (connectivity + 0.5 * vrest, connectivity, view.config_id)


def _explore(
    context: Context, slot: int, moves: list[tuple[NodeView, Rule, Scalar]], done: set[tuple[Any, ...]]
) -> Slot | None:
    """The next untried single change of the best nodes; None when every neighbour has been tried."""
    barred = next_slot_node(slot, context.n_parallel, context.last_node)
    for move in [move for move in moves if move[0].node != barred]:
        moves.remove(move)
        node, rule, value = move
        child = tuple(sorted((node.values | {rule.key: value}).items()))
        if child in done:
            continue
        done.add(child)
        why = f"UCB {node.ucb:.3f} in this block, pattern {node.pattern}"
        return change(context, slot, node.node, why, rule.key, (node.values[rule.key], value))
    return None


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


def _moves(context: Context) -> Iterator[tuple[NodeView, Rule, Scalar]]:
    """Candidate changes, best node first, alternating between the two best nodes; the pattern says which key first."""
    nodes = context.nodes[:2] or [as_node(max(context.configs, key=promise))]
    queues = [list(changes_of(context, node)) for node in nodes]
    turn = 0
    while any(queues):
        queue = queues[turn % len(queues)]
        if queue:
            yield queue.pop(0)
        turn += 1


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


# The training time grows in proportion to these keys.
WORK_KEYS = ("training.n_epochs", "training.data_augmentation_loop")
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
    """Whether ``value`` would stretch the node's predicted minutes past the limit."""
    if rule.key not in WORK_KEYS or node.minutes is None:
        return False
    return node.minutes * float(value) / float(node.values[rule.key]) > context.time_limit_min


def neighbours(rule: Rule, value: Scalar) -> list[Scalar]:
    """The next allowed values above and below ``value``: one step of the choices, or a factor of 2 in a range."""
    if rule.choices is not None:
        order = rule.choices if isinstance(value, bool | str) else sorted(rule.choices, key=float)
        place = order.index(value) if value in order else 0
        return [*order[place + 1 : place + 2], *order[max(place - 1, 0) : place]]
    assert rule.min is not None
    assert rule.max is not None
    number, span = float(value), (rule.max - rule.min) / 4
    steps = (number * 2, number / 2) if rule.scale == "log" else (number + span, number - span)
    rounded = [float(f"{min(max(step, rule.min), rule.max):.3g}") for step in steps]
    inside = [step for step in rounded if step != number and rule.min <= step <= rule.max]
    return [int(step) for step in inside if step.is_integer()] if rule.whole else list(inside)
