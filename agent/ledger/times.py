"""How many minutes a slot takes where the machine is quiet, learned from the slots so far: a load is no config's fault.

A load only ever adds to the time, so of equal work the shorter times tell what it needs. Processor time would not: a
slot that waits for its GPU keeps its core busy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from statistics import median_high, median_low

from agent.ledger.policy import slot_minutes, trained_minutes, work
from state.config import SlotConfig
from state.records import SlotResult

# From here on a load is told: slots of one batch differ by a tenth or two on a quiet machine as well.
WORTH_TELLING = 1.3


@dataclass(frozen=True)
class _Taken:
    """Minutes of one finished slot: data and training, which grow with the work, and all other stages."""

    batch: int
    device: str
    work: float
    trained: float
    rest: float


class _Estimates:
    """What some slots say: minutes of each amount of work on the quiet machine, and the load of each batch."""

    def __init__(self, slots: list[_Taken]) -> None:
        self._slots = slots

    @cached_property
    def loads(self) -> dict[int, float]:
        """Batch -> how many times longer its slots took than equal work in other batches; 1 where nothing says so."""
        batches: dict[float, set[int]] = defaultdict(set)
        for one in self._slots:
            batches[one.work].add(one.batch)
        usual = self._by_work({})
        ratios: dict[int, list[float]] = defaultdict(list)
        for one in self._slots:
            if len(batches[one.work]) > 1 and usual[one.work] > 0:
                ratios[one.batch].append(one.trained / usual[one.work])
        return {batch: max(1.0, median_low(some)) for batch, some in ratios.items()}

    @cached_property
    def minutes(self) -> dict[float, float]:
        """Work -> minutes of data and training, the loads taken out: so one run in a loaded batch is not blamed."""
        return self._by_work(self.loads)

    def _by_work(self, loads: dict[int, float]) -> dict[float, float]:
        groups: dict[float, list[float]] = defaultdict(list)
        for one in self._slots:
            groups[one.work].append(one.trained / loads.get(one.batch, 1.0))
        return {amount: _quiet(some) for amount, some in groups.items()}

    @cached_property
    def rest(self) -> float:
        """Minutes of the other stages."""
        return _quiet(one.rest for one in self._slots)


class QuietTimes:
    """Predicts the minutes of a config from the latest slots, those of the device that was used last.

    A config takes what equal work took; where none was done, its work times the median minutes per work.
    """

    def __init__(self, keep: int = 32) -> None:
        self._slots: list[_Taken] = []
        self._keep = keep
        self._known: _Estimates | None = None

    def learn(self, config: SlotConfig, result: SlotResult, batch: int) -> None:
        """Take in one finished slot."""
        trained, whole = trained_minutes(result), slot_minutes(result)
        if trained is not None and whole is not None:
            one = _Taken(batch, result.trained_on, work(config), trained, whole - trained)
            self._slots = [*self._slots, one][-self._keep :]
            self._known = None

    def predict(self, config: SlotConfig) -> float | None:
        """Minutes for ``config`` on the quiet machine, None before anything has finished."""
        if not self._slots:
            return None
        known, amount = self._estimates(), work(config)
        if amount in known.minutes:
            return known.minutes[amount] + known.rest
        return median_high(minutes / done for done, minutes in known.minutes.items()) * amount + known.rest

    def load(self, batch: int) -> float | None:
        """How many times longer than equal work on the quiet machine ``batch`` took; None where that is no load."""
        load = self._estimates().loads.get(batch, 1.0) if self._slots else 1.0
        return load if load >= WORTH_TELLING else None

    def _estimates(self) -> _Estimates:
        if self._known is None:
            self._known = _Estimates([one for one in self._slots if one.device == self._slots[-1].device])
        return self._known


def _quiet(minutes: Iterable[float]) -> float:
    """The lower quartile: from the fifth slot on no single one decides that had the machine to itself."""
    ordered = sorted(minutes)
    return ordered[(len(ordered) - 1) // 4]
