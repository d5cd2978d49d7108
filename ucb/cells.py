"""Runs gathered by data seed, the unit of every mean: runs on one data set are not independent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ucb.shares import is_bad
from ucb.variance import Run


@dataclass(frozen=True)
class Cells:
    """One metric of one config's well recovered runs: simulation seed -> its values. Equal weight to every seed."""

    values: Mapping[int, tuple[float, ...]]

    @cached_property
    def means(self) -> dict[int, float]:
        """Simulation seed -> mean over its runs."""
        return {seed: math.fsum(values) / len(values) for seed, values in self.values.items()}

    @property
    def seeds(self) -> int:
        """How many data seeds."""
        return len(self.values)

    @cached_property
    def runs(self) -> int:
        """How many runs."""
        return sum(map(len, self.values.values()))

    @cached_property
    def mean(self) -> float | None:
        """Mean of the seed means; None without any."""
        return math.fsum(self.means.values()) / self.seeds if self.values else None

    @cached_property
    def between(self) -> float:
        """Sum of squares of the seed means around their mean; ``seeds`` - 1 degrees of freedom."""
        return 0.0 if self.mean is None else math.fsum((value - self.mean) ** 2 for value in self.means.values())

    @property
    def std(self) -> float | None:
        """Standard deviation of the seed means; None with fewer than two."""
        return None if self.seeds < 2 else (self.between / (self.seeds - 1)) ** 0.5

    @cached_property
    def within(self) -> float:
        """Sum of squares of the runs around their seed's mean; ``runs`` - ``seeds`` degrees of freedom."""
        return math.fsum((v - self.means[seed]) ** 2 for seed, values in self.values.items() for v in values)

    @cached_property
    def training_part(self) -> float:
        """Mean over the seeds of 1 / runs: the share of the training variance in the variance of a seed mean."""
        return math.fsum(1 / len(values) for values in self.values.values()) / self.seeds if self.values else 1.0

    def only(self, seeds: Iterable[int]) -> Cells:
        """The cells of ``seeds``."""
        return Cells({seed: self.values[seed] for seed in seeds if seed in self.values})


def cells(runs: Iterable[Run], metric: str, limit: float) -> Cells:
    """The values of ``metric`` by simulation seed; bad runs (see `ucb.shares`) and undefined values are left out."""
    values: dict[int, tuple[float, ...]] = {}
    for run in runs:
        value = None if is_bad(run, limit) else run.value(metric)
        if value is not None:
            values[run.simulation_seed] = (*values.get(run.simulation_seed, ()), value)
    return Cells(values)
