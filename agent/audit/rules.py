"""By which rule a log gives its statuses, and what it takes as reward: the rule known that contradicts the fewest
entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent.audit.entry import Entry
from state.metrics import REWARD
from state.thresholds import Thresholds

# A rule that so many of the statuses contradict is not the log's.
_TOLERATED, _TOLERATED_OF_FEW, _FEW = 1 / 3, 1 / 2, 6


@dataclass(frozen=True)
class Limits:
    """A metric above ``converged`` is converged, below ``failed`` failed, between them partial."""

    converged: float
    failed: float

    def statuses(self, value: float, slack: float) -> set[str]:
        """The statuses that ``value`` allows, when it may be off by ``slack`` (rounding)."""
        allowed = set()
        if value + slack >= self.converged:
            allowed.add("converged")
        if value - slack <= self.failed:
            allowed.add("failed")
        if self.failed <= value + slack and value - slack <= self.converged:
            allowed.add("partial")
        return allowed


# nightfly's own, and those of the predecessor's instructions.
OWN_LIMITS = Limits(Thresholds().converged, Thresholds().partial)
LIMITS = (OWN_LIMITS, Limits(0.9, 0.1))


@dataclass(frozen=True)
class Rule:
    """Limits on one metric, or on two: converged when both are, failed when both are, partial otherwise."""

    limits: Limits
    metrics: tuple[str, ...] = (REWARD,)

    def statuses(self, entry: Entry) -> set[str]:
        """The statuses that the metrics of ``entry`` allow; an undefined one forbids converged alone."""
        each = [self._of_one(entry, metric) for metric in self.metrics]
        allowed = set[str]().union(*each)
        for extreme in ("converged", "failed"):
            if not all(extreme in one for one in each):
                allowed.discard(extreme)
        # One metric high and the other low: the instructions do not say, so either word below converged will do.
        mixed = len(each) > 1 and not set.intersection(*each)
        return allowed | ({"partial", "failed"} if mixed else set())

    def _of_one(self, entry: Entry, metric: str) -> set[str]:
        value = entry.metrics.get(metric)
        if value is None:
            return {"partial", "failed"}
        return self.limits.statuses(value, rounding(entry, metric))

    def allows(self, entry: Entry) -> bool:
        """Whether the status of ``entry`` is one its metrics allow; a failed slot may have any metrics."""
        if entry.status in ("failed", "cut") and "Failure" in entry.fields:
            return True
        return entry.status in self.statuses(entry)

    def words(self) -> str:
        """As it is told: `connectivity_R2 above 0.8 is converged, below 0.3 failed`."""
        what = " and ".join(self.metrics)
        both = "both " if len(self.metrics) > 1 else ""
        return f"{what} {both}above {self.limits.converged:g} converged, {both}below {self.limits.failed:g} failed"


@dataclass(frozen=True)
class Inferred:
    """The rule of a log, how many of its entries it was held against, and how many contradict it.

    ``known`` is False where the log follows a rule that is not known here.
    """

    rule: Rule
    told: int
    wrong: int
    known: bool
    reward: str | None
    why: str


def infer(entries: Sequence[Entry]) -> Inferred:
    """The rule that contradicts the fewest statuses; nightfly's own when equal, one metric rather than two."""
    reward = _reward(entries)
    metric = reward or REWARD
    told = [entry for entry in entries if entry.status and entry.metrics.get(metric) is not None]
    rules = [Rule(limits, (metric,)) for limits in LIMITS]
    rules += [Rule(limits, (metric, other)) for other in _beside(told, metric) for limits in LIMITS]
    wrong = {rule: sum(not rule.allows(entry) for entry in told) for rule in rules}
    # A rule over two metrics forgives more; it has to explain at least two statuses that no simple one does.
    best = min(rules, key=lambda rule: wrong[rule] + 1.5 * (len(rule.metrics) - 1))
    few = len(told) < _FEW
    # A reward that was only guessed has to fit better before anything is judged by it.
    tolerated = _TOLERATED_OF_FEW if few and metric == REWARD else _TOLERATED
    known = wrong[best] <= tolerated * len(told) and not (metric != REWARD and few and wrong[best])
    agree = len(told) - wrong[best]
    why = f"inferred: {agree} of {len(told)} statuses with a {metric} agree"
    others = ", ".join(f"{wrong[rule]} contradict {_short(rule)}" for rule in rules[: len(LIMITS)] if rule != best)
    return Inferred(best, len(told), wrong[best], known, reward, f"{why}; {others}" if others else why)


def _short(rule: Rule) -> str:
    return f"{rule.limits.converged:g}/{rule.limits.failed:g}"


def rounding(entry: Entry, metric: str) -> float:
    """Half a unit of the last decimal that the log gives of ``metric``; 0 for whole numbers."""
    decimals = entry.decimals.get(metric, 0)
    return 0.5 * 10.0**-decimals if decimals else 0.0


def _reward(entries: Sequence[Entry]) -> str | None:
    """connectivity_R2 where a quarter of the entries have it, else the first R2 that most of them tell."""
    measured = [entry for entry in entries if entry.metrics]
    counted = Counter(name for entry in measured for name, value in entry.metrics.items() if value is not None)
    if not measured or 4 * counted[REWARD] >= len(measured):
        return REWARD if measured else None
    common = [name for name in measured[0].metrics if 2 * counted[name] > len(measured)]
    return next((name for name in common if is_r2(name)), None)


def _beside(told: Sequence[Entry], metric: str) -> list[str]:
    """Other R2 that all of ``told`` give, for rules over two metrics."""
    if not told:
        return []
    names = [name for name in told[0].metrics if is_r2(name) and name != metric and not name.startswith("test")]
    return [name for name in names if all(entry.metrics.get(name) is not None for entry in told)]


def is_r2(name: str) -> bool:
    """Whether ``name`` is that of a coefficient of determination."""
    return name.casefold().endswith("r2")
