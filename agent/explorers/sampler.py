"""A sampler of Optuna in Claude's place. It decides parent and change of what is new; the rest follows from the demand.

The addendum lets a mutation change one parameter, a sampler wishes a whole config. It is asked freely, and the single
change that brings a config that has run nearest to its wish is proposed: so every proposal is one the guard accepts,
and where a wish cannot be had at once, the next questions come nearer to it. To ask it key by key with all others
fixed would leave to us, not to it, which config and which key to go on from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from agent.claude.mock import propose, reply_with
from agent.claude.mock_moves import Slot, Step, change, identity_of
from agent.claude.protocol import Completion, Prompt
from agent.explorers.single import Move, may_run, moves
from agent.explorers.study import wish
from agent.ledger.policy import next_slot_node
from prompts.context import ConfigView, Context
from state.campaign import Campaign
from state.config import Scalar
from state.explorer import Sampler, named

# How often the sampler is asked for one slot before the slot repeats a config instead.
QUESTIONS = 8


class SamplerExplorer:
    """Answers every prompt from the typed facts in it; the same prompt always gets the same reply."""

    def __init__(self, campaign: Campaign, kind: Sampler) -> None:
        self._campaign, self._kind = campaign, kind
        self.model = f"optuna-{kind}"

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        """A reply to ``prompt``; it costs nothing and never fails."""
        context = prompt.context
        reply = reply_with(context, propose(context, self.changes(context)))
        for name in (f"slot_{slot}" for slot in range(context.n_parallel)):
            if "entry" in reply.get(name, {}):
                reply[name]["entry"] |= {"embedding": f"not looked at: {self.named} reads figures only"}
        return Completion(text=json.dumps(reply, indent=1), stop_reason="end_turn", model=self.model)

    @property
    def named(self) -> str:
        """The sampler and its seed, as entries name them."""
        return named(self._kind, self._campaign.seeds.explorer)

    def changes(self, context: Context) -> Asked:
        """What it would try in the batch after ``context``."""
        return Asked(self._campaign, self._kind, context, self.named)


class Asked:
    """The questions about one batch; what one slot is going to try is told to the sampler with the next question.

    ``stream`` sets its draws apart from those of another sampler of the same night.
    """

    def __init__(
        self, campaign: Campaign, kind: Sampler, context: Context, named: str, stream: tuple[int, ...] = ()
    ) -> None:
        self._campaign, self._kind, self._context, self._named = campaign, kind, context, named
        self._stream = stream
        self._done = {identity_of(values) for values in [*(one.values for one in context.results), *context.hopeless]}
        self._proposed: list[dict[str, Scalar]] = []
        self._questions = 0

    def explore(self, slot: int) -> Slot | None:
        """The change nearest to what the sampler wishes; None where nothing new may run near any of its wishes."""
        context = self._context
        barred = next_slot_node(slot, context.n_parallel, context.last_node)
        for _ in range(QUESTIONS):
            for move in self._moves([result.config_id for result in context.results]):
                node = next((node for node in move.parent.nodes if node != barred), None)
                if node is not None:
                    self._take(move)
                    step = move.parent.values[move.key], move.value
                    return change(context, slot, node, self._why(move), move.key, step)
        return None

    def untried(self, config: ConfigView) -> Iterator[Step]:
        """Changes of ``config`` towards one wish after the other."""
        for _ in range(QUESTIONS):
            if (move := next(self._moves([config.config_id]), None)) is not None:
                self._take(move)
                yield move.key, (config.values[move.key], move.value)

    def _moves(self, names: list[str]) -> Iterator[Move]:
        """Ask once; the moves from the configs of ``names`` towards the answer that are new and may run."""
        context, campaign = self._context, self._campaign
        seed = campaign.seeds.explorer, context.batch, self._questions, *self._stream
        self._questions += 1
        wanted = wish(self._kind, seed, context.rules, context.results, self._proposed, context.hopeless)
        parents = [result for result in context.results if result.config_id in names]
        for move in moves(context.rules, parents, wanted):
            if identity_of(move.child) not in self._done and may_run(campaign, move):
                yield move

    def _take(self, move: Move) -> None:
        self._done.add(identity_of(move.child))
        self._proposed.append(move.child)

    def _why(self, move: Move) -> str:
        near = "what it asked for" if not move.distance else "the single change nearest to what it asked for"
        return f"proposed by {self._named}: {near}"
