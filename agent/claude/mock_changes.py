"""What the mock tries next: the untried neighbours of the best nodes, the pattern of a node's trajectory says which key
first."""

from __future__ import annotations

from collections.abc import Iterator

from agent.claude.mock_designs import steps_of
from agent.claude.mock_moves import (
    Slot,
    Step,
    as_node,
    change,
    changes_of,
    identity_of,
    promise,
    tried,
    verify_imported,
)
from agent.ledger.policy import next_slot_node
from prompts.context import ConfigView, Context, HintView, NodeView, Rule
from state.config import Scalar


class ByRule:
    """The changes of one batch; a config that one slot tries is not offered to the next."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._moves, self._done = list(_moves(context)), tried(context)

    def explore(self, slot: int) -> Slot | None:
        """The next untried single change of the best nodes; None when every neighbour has been tried.

        In the first slot an imported config comes first that has not run here. Where it is shown hints, it takes that
        of the last slot that has one.
        """
        context = self._context
        if context.hints and slot == context.hints[-1].slot and (hinted := self._hinted(context.hints[-1])) is not None:
            return hinted
        if slot == 0 and (first := verify_imported(context, slot, self._done)) is not None:
            return first
        barred = next_slot_node(slot, context.n_parallel, context.last_node)
        for move in [move for move in self._moves if move[0].node != barred]:
            self._moves.remove(move)
            node, rule, value = move
            child = identity_of(node.values | {rule.key: value})
            if child in self._done:
                continue
            self._done.add(child)
            why = f"UCB {node.ucb:.3f} in this block, pattern {node.pattern}"
            return change(context, slot, node.node, why, rule.key, (node.values[rule.key], value))
        return None

    def _hinted(self, hint: HintView) -> Slot | None:
        """The change that a sampler suggests; None where another slot tries the same already."""
        child = identity_of(hint.values | {hint.key: hint.new})
        if child in self._done:
            return None
        self._done.add(child)
        why = f"a hint of {hint.by}: {hint.why}"
        return change(self._context, hint.slot, hint.parent, why, hint.key, (hint.old, hint.new))

    def untried(self, config: ConfigView) -> Iterator[Step]:
        """The neighbours of ``config`` that have not run."""
        for key, (old, new) in steps_of(self._context, config):
            if identity_of(config.values | {key: new}) not in self._done:
                yield key, (old, new)


def _moves(context: Context) -> Iterator[tuple[NodeView, Rule, Scalar]]:
    """Candidate changes, best node first, alternating between the two best nodes; the pattern says which key first."""
    if not context.configs:
        return
    # Where stated figures help to choose, the second node is the imported one with the highest UCB.
    own = context.nodes[: 1 if context.stated_nodes else 2] or [as_node(max(context.configs, key=promise))]
    nodes = [*own, *context.stated_nodes[:1]]
    queues = [list(changes_of(context, node)) for node in nodes]
    turn = 0
    while any(queues):
        queue = queues[turn % len(queues)]
        if queue:
            yield queue.pop(0)
        turn += 1
