"""From what a sampler wishes to what the rules allow: the one changed key that brings a known config nearest to it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.ledger.policy import work
from prompts.context import ConfigResult, Rule
from state.campaign import Campaign
from state.config import Scalar
from state.errors import ConfigError

Values = Mapping[str, Scalar]


@dataclass(frozen=True)
class Move:
    """One changed key of a config; ``distance``: of the child to the wish, 0 where it is the wish itself."""

    parent: ConfigResult
    key: str
    value: Scalar
    distance: float

    @property
    def child(self) -> dict[str, Scalar]:
        """The values of the config that comes of it."""
        return {**self.parent.values, self.key: self.value}


def moves(rules: Sequence[Rule], parents: Sequence[ConfigResult], wish: Values) -> Iterator[Move]:
    """Every single change of a parent to a value of ``wish``, the nearest child first, of equals the best parent's."""
    found = []
    for parent in parents:
        gaps = {rule.key: gap(rule, parent.values[rule.key], wish[rule.key]) for rule in rules}
        total = math.fsum(gaps.values())
        found += [Move(parent, key, wish[key], total - one) for key, one in gaps.items() if one]
    yield from sorted(found, key=lambda move: (round(move.distance, 9), -move.parent.score, move.parent.nodes[0]))


def gap(rule: Rule, one: Scalar, other: Scalar) -> float:
    """How far two values of a key lie apart, 1 being the whole of its choices or range; of words and flags 0 or 1."""
    if one == other:
        return 0.0
    if isinstance(one, bool | str) or isinstance(other, bool | str):
        return 1.0
    if rule.choices is not None:
        order = sorted(float(choice) for choice in rule.choices)
        return abs(order.index(float(one)) - order.index(float(other))) / max(len(order) - 1, 1)
    assert rule.min is not None
    assert rule.max is not None
    ends = rule.min, rule.max, float(one), float(other)
    low, high, a, b = (math.log(end) for end in ends) if rule.scale == "log" else ends
    return abs(a - b) / (high - low)


def may_run(campaign: Campaign, move: Move) -> bool:
    """Whether the child is a valid config, and within the time limit as far as it takes longer than its parent."""
    base = campaign.base_config()
    try:
        before, after = base.replaced(dict(move.parent.values)), base.replaced(move.child)
    except ConfigError:
        return False
    growth, minutes = work(after) / work(before), move.parent.minutes
    return growth <= 1 or minutes is None or minutes * growth <= campaign.policy.time_limit_min
