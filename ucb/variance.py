"""How much the runs of one config vary: means, spreads, class and score."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from state.added import FORMAT
from state.metrics import REWARD, Metric, tabled
from state.records import Planned, SlotResult
from state.thresholds import Thresholds
from ucb.trajectory import DEFAULTS, PatternReport, VrestWord

Robustness = Literal["robust", "fragile", "undecided"]

# The name of the config of standard training in a two-stage campaign; it takes no number from the others.
STANDARD = "S1"
# How the names of the configs of a control arm begin: it has a history, and so a count, of its own.
CONTROL = "K"
RANKED_FROM = 3
_RESAMPLES = 2000
_DRAWS = 200_000


@dataclass(frozen=True)
class Run:
    """One finished run of a config. ``metrics`` None: the slot failed. The flags come from the run's trajectory."""

    config_id: str
    iteration: int
    simulation_seed: int
    training_seed: int
    metrics: Mapping[str, float | None] | None
    conn_held: bool | None = None
    vrest_word: VrestWord | None = None

    def value(self, metric: str) -> float | None:
        """The metric; 0.0 when the slot failed (the addendum's very low value), None when it is undefined."""
        return 0.0 if self.metrics is None else self.metrics.get(metric)


@dataclass(frozen=True)
class Spread:
    """Statistics of one metric over ``n`` runs; std is with ddof 1, CV = std / mean. None = undefined."""

    n: int
    mean: float | None = None
    std: float | None = None
    cv: float | None = None
    min: float | None = None


def run_from(planned: Planned, result: SlotResult, report: PatternReport) -> Run:
    """The run of a finished slot, with the pattern of its trajectory.

    Whether conn held and what V_rest did is told only where both were measured.
    """
    return Run(
        config_id=planned.config_id,
        iteration=planned.iteration,
        simulation_seed=planned.simulation_seed,
        training_seed=planned.training_seed,
        metrics=None if result.failure else result.metrics,
        conn_held=report.conn_held,
        vrest_word=report.vrest_word,
    )


def next_config_id(names: Sequence[str], of_control: bool = False) -> str:
    """Short name of a new config: the next of C1, C2, ... after ``names``, or of K1, K2, ... in the control arm."""
    controls = sum(name.startswith(CONTROL) for name in names)
    return f"{CONTROL}{controls + 1}" if of_control else f"C{len(names) - names.count(STANDARD) - controls + 1}"


def control_identity(identity: str) -> str:
    """Under which a config of the control arm is named: what it runs, and what others run, are two configs."""
    return f"{CONTROL}:{identity}"


def values_of(runs: Sequence[Run], metric: str) -> list[float]:
    """The defined values of ``metric``, failed runs as 0.0."""
    return [value for run in runs if (value := run.value(metric)) is not None]


def spread(values: Sequence[float]) -> Spread:
    """Mean, std, CV and min of ``values``; std needs two of them, CV a positive mean."""
    if not values:
        return Spread(0)
    mean = math.fsum(values) / len(values)
    std = _std(values, mean) if len(values) > 1 else None
    cv = std / mean if std is not None and mean > 0 else None
    return Spread(len(values), mean, std, cv, float(min(values)))


def _std(values: Sequence[float], mean: float) -> float:
    """With ddof 1, and exactly 0 for equal values; plain sums are faster than numpy on so few."""
    return math.sqrt(_squares(values, mean) / (len(values) - 1)) if max(values) > min(values) else 0.0


def _squares(values: Sequence[float], mean: float) -> float:
    return math.fsum((value - mean) ** 2 for value in values)


def same_data(runs: Sequence[Run]) -> list[Run]:
    """The runs whose simulation seed was used more than once."""
    uses = Counter(run.simulation_seed for run in runs)
    return [run for run in runs if uses[run.simulation_seed] > 1]


def by_seed(runs: Sequence[Run], metric: str) -> dict[int, list[float]]:
    """Simulation seed -> the defined values of ``metric``, failed runs as 0.0."""
    groups: dict[int, list[float]] = {}
    for run in runs:
        if (value := run.value(metric)) is not None:
            groups.setdefault(run.simulation_seed, []).append(value)
    return groups


def training_spread(runs: Sequence[Run], metric: str) -> Spread:
    """Spread of ``metric`` between runs on the same data: what training alone contributes.

    std is pooled over the simulation seeds used more than once: sqrt(sum of squares within seeds / degrees of freedom).
    """
    groups = by_seed(same_data(runs), metric)
    freedom = sum(len(group) - 1 for group in groups.values())
    if not freedom:
        return Spread(0)
    values = [value for group in groups.values() for value in group]
    mean = math.fsum(values) / len(values)
    within = math.fsum(_squares(group, math.fsum(group) / len(group)) for group in groups.values())
    std = math.sqrt(within / freedom)
    return Spread(len(values), mean, std, std / mean if mean > 0 else None, min(values))


def bootstrap_cv_std(values: Sequence[float]) -> float | None:
    """Standard deviation of the CV over bootstrap resamples (Efron 1979), with a fixed seed; None below two values.

    Resamples whose mean is not positive have no CV and are left out.
    """
    n = len(values)
    if n < 2:
        return None
    draws = np.asarray(values)[_resamples(n)]
    means = draws.mean(axis=1)
    good = means > 0
    centred, means = (draws - means[:, None])[good], means[good]
    stds = np.sqrt(np.einsum("rn,rn->r", centred, centred) / (n - 1))
    return float(np.std(stds / means, ddof=1)) if len(means) > 1 else None


@lru_cache(maxsize=32)
def _resamples(n: int) -> NDArray[np.int64]:
    """Which of ``n`` runs each resample draws [resamples, n]; the same at every call."""
    resamples = min(_RESAMPLES, max(100, _DRAWS // n))
    return np.random.default_rng(0).integers(0, n, (resamples, n))


@dataclass(frozen=True)
class ConfigStats:
    """Everything the program says about one config, from its runs in order.

    Class, score and `enough` are over data seeds, the runs on one of them averaged; in runs of the first ``format``
    over runs.
    """

    config_id: str
    runs: tuple[Run, ...]
    limits: Thresholds = DEFAULTS
    format: int = FORMAT

    @property
    def by_seed(self) -> bool:
        """Whether the unit is the data seed."""
        return self.format > 1

    @cached_property
    def metrics(self) -> list[Metric]:
        """Those of the variance table."""
        return tabled(self.format)

    @cached_property
    def spreads(self) -> dict[str, Spread]:
        """Metric -> its spread, for those of the table."""
        return {metric.name: spread(values_of(self.runs, metric.name)) for metric in self.metrics}

    @cached_property
    def units(self) -> dict[str, list[float]]:
        """Metric -> the values that count as independent, for those of the table."""
        if not self.by_seed:
            return {metric.name: values_of(self.runs, metric.name) for metric in self.metrics}
        groups = {metric.name: by_seed(self.runs, metric.name).values() for metric in self.metrics}
        return {metric: [math.fsum(group) / len(group) for group in some] for metric, some in groups.items()}

    @cached_property
    def unit_spreads(self) -> dict[str, Spread]:
        """Metric -> the spread of `units`; its minimum is over runs."""
        if not self.by_seed:
            return self.spreads
        return {name: replace(spread(values), min=self.spreads[name].min) for name, values in self.units.items()}

    @property
    def failed(self) -> int:
        """How many of the runs failed; each counts as 0.0."""
        return sum(run.metrics is None for run in self.runs)

    @property
    def simulation_seeds(self) -> int:
        """Distinct data sets: 1 with several runs is a test of training, as many as runs one of generalisation."""
        return len({run.simulation_seed for run in self.runs})

    @property
    def training_seeds(self) -> int:
        """Distinct training seeds."""
        return len({run.training_seed for run in self.runs})

    @cached_property
    def robustness(self) -> Robustness:
        """The class of the campaign's limits; undecided on too little data or where a metric is undefined."""
        limits = {metric.name: bounds for metric in self.metrics if (bounds := self.limits.steady(metric)) is not None}
        spreads = {name: self.unit_spreads[name] for name in limits}
        if self.by_seed and not self.ranked:
            return "undecided"
        if any(_is_fragile(s, self.limits) for s in spreads.values()):
            return "fragile"
        return "robust" if all(_is_robust(s, *limits[name]) for name, s in spreads.items()) else "undecided"

    @cached_property
    def score(self) -> float:
        """mean(1 - CV) of conn plus half that of V_rest; unknown spreads count as none, unknown means as 0."""
        conn, vrest = self.unit_spreads[REWARD], self.unit_spreads["V_rest_R2"]
        return _steady(conn) + 0.5 * _steady(vrest)

    @property
    def best_run(self) -> int:
        """The iteration of the run with the highest connectivity_R2, the latest of equal ones."""
        return max((run.value(REWARD) or 0.0, run.iteration) for run in self.runs)[1]

    @property
    def ranked(self) -> bool:
        """Whether there are data seeds (in the first release, runs) enough for the score to be a rank."""
        return (self.simulation_seeds if self.by_seed else len(self.runs)) >= RANKED_FROM

    @cached_property
    def cv_std(self) -> float | None:
        """Bootstrap std of CV(connectivity_R2)."""
        return bootstrap_cv_std(self.units[REWARD])

    @property
    def enough(self) -> bool:
        """Whether further replicates would tell nothing new."""
        count = self.simulation_seeds if self.by_seed else len(self.runs)
        if count < self.limits.enough_runs or self.robustness == "undecided":
            return False
        return self.cv_std is not None and self.cv_std < self.limits.enough_cv_std


def _is_robust(s: Spread, max_cv: float, lowest: float) -> bool:
    return s.cv is not None and s.min is not None and s.cv < max_cv and s.min > lowest


def _is_fragile(s: Spread, limits: Thresholds) -> bool:
    if s.n < 2 or s.mean is None or s.min is None:
        return False
    return s.mean <= 0 or (s.cv or 0.0) > limits.fragile_cv or s.min < limits.fragile_min_of_mean * s.mean


def _steady(s: Spread) -> float:
    """mean (1 - CV), which is mean - std."""
    return (s.mean or 0.0) - (s.std or 0.0)
