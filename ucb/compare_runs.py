"""The comparison of the first release, whose unit is the run: only runs begun under it are replayed by it.

Its verdicts are too sure, see docs/statistics.md; today's is `ucb.compare`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from state.metrics import METRICS
from ucb.variance import Run, by_seed, values_of

Standing = Literal["better", "worse", "not distinguishable"]
Sample = NDArray[np.float64]

MIN_PAIRS = 3
MANY = 100
LEVEL = 0.95
POWER = 0.80
_RESAMPLES = 1000
_OUTSIDE = round(_RESAMPLES * (1 - LEVEL) / 2)  # draws below the interval, and as many above it
_BOUNDS = [_OUTSIDE, _RESAMPLES - 1 - _OUTSIDE]
_BOOTSTRAP_UP_TO = 30
_Z = float(ndtri((1 + LEVEL) / 2))
_SAME = 1e-9


@dataclass(frozen=True)
class Comparison:
    """Candidate minus reference: mean difference, its 95 % interval, the standing. None = not measurable.

    ``pairs`` 0: the runs were compared unpaired. ``runs_needed``: runs (or pairs) of each config that would tell.
    """

    metric: str
    standing: Standing
    runs: tuple[int, int]
    pairs: int = 0
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    runs_needed: int | None = None
    reason: str = ""

    @property
    def more_runs(self) -> int | None:
        """Runs that the config with fewer of them still needs; None when the standing is told or no number is known."""
        if self.runs_needed is None or self.standing != "not distinguishable":
            return None
        return max(1, self.runs_needed - (self.pairs or min(self.runs)))


def compare(candidate: Sequence[Run], reference: Sequence[Run], metric: str = "connectivity_R2") -> Comparison:
    """Compare the means of ``metric``; a failed run counts as 0.0, an undefined value not at all.

    With at least MIN_PAIRS simulation seeds in common the runs are paired by seed (the mean over a seed's runs),
    which takes the data's share out of the noise; other runs are then left aside. Else all runs count, unpaired.
    """
    a, b = (values_of(runs, metric) for runs in (candidate, reference))
    runs = len(a), len(b)
    shared = _paired(candidate, reference, metric)
    if len(shared) >= MIN_PAIRS:
        return _judge(metric, runs, len(shared), _mean(shared), _Noise.of(shared))
    if not a or not b:
        return Comparison(metric, "not distinguishable", runs, reason=f"{metric} was not measured in both configs")
    one = any(len(group) > 1 and len({run.simulation_seed for run in group}) == 1 for group in (candidate, reference))
    caution = "one config ran on a single data set only" if one else ""
    return _judge(metric, runs, 0, _mean(a) - _mean(b), _Noise.of(a, b), caution)


@dataclass(frozen=True)
class _Noise:
    """Noise of a difference of means: the samples, its standard error, degrees of freedom, and the variance that one
    more run of each config would carry."""

    samples: tuple[list[float], ...]
    error: float
    freedom: float
    variance: float

    @classmethod
    def of(cls, *samples: list[float]) -> _Noise:
        """From one sample of paired differences, or two samples compared unpaired."""
        known = [_variance(x) for x in samples if len(x) > 1]
        if len(known) < len(samples):
            return cls(samples, 0.0, 0.0, 2 * known[0] if known else 0.0)
        terms = [variance / len(x) for variance, x in zip(known, samples, strict=True)]
        square = sum(terms)
        parts = sum(term**2 / (len(x) - 1) for term, x in zip(terms, samples, strict=True))
        freedom = square**2 / parts if parts > 0 else 0.0
        return cls(samples, math.sqrt(square), freedom, sum(known))

    def interval(self, difference: float) -> tuple[float, float]:
        """Percentile bootstrap, stretched for small samples.

        The plain percentile interval of a mean of n runs is too narrow, by sqrt((n-1)/n) times a normal over a t
        quantile (Hesterberg, The American Statistician 69, 2015): with 3 or 4 runs it covers 80 to 86 %. Here the
        draws are scaled to the unbiased standard error and the t quantile (Welch's degrees of freedom), and keep
        their skew; with very many runs the skew of a mean is gone and the t interval is taken.
        """
        t = float(stdtrit(self.freedom, (1 + LEVEL) / 2))
        if max(map(len, self.samples)) > _BOOTSTRAP_UP_TO:
            return difference - t * self.error, difference + t * self.error
        first, *others = [_centred_draws(tuple(x), number) for number, x in enumerate(self.samples)]
        draws = first - sum(others)
        low, high = np.partition(draws, _BOUNDS)[_BOUNDS]
        stretch = t / _Z * self.error / math.sqrt(draws.dot(draws) / len(draws))
        return difference + stretch * float(low), difference + stretch * float(high)


def _variance(values: list[float]) -> float:
    """With ddof 1, and exactly 0 for equal values; plain sums are faster than numpy on so few."""
    if max(values) - min(values) <= _SAME:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


# The runs of the baseline and of each candidate stand in several comparisons of a batch.
@lru_cache(maxsize=256)
def _centred_draws(x: tuple[float, ...], number: int) -> Sample:
    """Bootstrap means of ``x`` minus its mean; always the same resamples for the ``number``-th sample of a size."""
    draws: Sample = _resamples(len(x), number) @ np.asarray(x)
    return draws


@lru_cache(maxsize=64)
def _resamples(n: int, number: int) -> Sample:
    """Weights [_RESAMPLES, n] whose products with a sample are its bootstrap means minus its mean."""
    draws = np.random.default_rng([number, n]).integers(0, n, (_RESAMPLES, n))
    counts = np.zeros((_RESAMPLES, n))
    np.add.at(counts, (np.arange(_RESAMPLES)[:, None], draws), 1.0)
    return (counts - 1.0) / n


def runs_needed(difference: float, variance: float) -> int | None:
    """Runs of each config for a two-sided test at 5 % to see ``difference`` with a power of 80 %.

    n = (z_0.975 + z_0.8)^2 variance / difference^2 with variance the sum of both configs' variances, or that of the
    paired differences: the usual normal approximation (Cohen, Statistical Power Analysis, 1988). At least 2.
    """
    if difference == 0 or variance <= 0:
        return None
    z = _Z + float(ndtri(POWER))
    return max(2, math.ceil(z**2 * variance / difference**2))


def _judge(
    metric: str, runs: tuple[int, int], pairs: int, difference: float, noise: _Noise, caution: str = ""
) -> Comparison:
    needed = runs_needed(difference, noise.variance)
    if noise.freedom <= 0 or noise.error <= 0:
        reason = (
            "a config has a single run" if min(runs) < 2 else "the runs do not vary, so there is no noise to judge by"
        )
        return Comparison(metric, "not distinguishable", runs, pairs, difference, runs_needed=needed, reason=reason)
    low, high = noise.interval(difference)
    standing: Standing = "not distinguishable"
    if low > 0 or high < 0:
        standing = "better" if (low > 0) != METRICS[metric].lower_is_better else "worse"
    return Comparison(metric, standing, runs, pairs, difference, low, high, needed, caution)


def _paired(candidate: Sequence[Run], reference: Sequence[Run], metric: str) -> list[float]:
    """Difference of the seed means for each simulation seed that both configs ran on, by seed."""
    a, b = by_seed(candidate, metric), by_seed(reference, metric)
    return [_mean(a[seed]) - _mean(b[seed]) for seed in sorted(a.keys() & b.keys())]


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def render_comparison(comparison: Comparison) -> str:
    """The comparison as one sentence, for the prompt and the report."""
    c = comparison
    how = f"{c.pairs} paired simulation seeds" if c.pairs else f"{c.runs[0]} and {c.runs[1]} runs"
    if c.difference is None:
        return f"{c.metric}: not distinguishable ({c.reason})"
    span = f", 95 % interval {c.low:+.3f} to {c.high:+.3f}" if c.low is not None else ""
    span += f" ({c.reason})" if c.reason else ""
    more = "" if c.more_runs is None else f"; {_how_many(c.more_runs)} more would tell"
    return f"{c.metric}: {c.standing} with {how}, difference {c.difference:+.3f}{span}{more}"


def _how_many(runs: int) -> str:
    """An estimate from a few runs; a large one says only that the difference is small."""
    return f"about {runs}" if runs <= MANY else f"over {MANY}"
