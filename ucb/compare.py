"""How far one config lies from another, with an honest interval; whether it is better only a confirmation says.

The unit is the data seed, the noise is pooled over the night. See docs/statistics.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from scipy.special import ndtri, stdtr, stdtrit

from state.metrics import METRICS
from ucb.cells import Cells
from ucb.noise import Noise, Variance, differs

Standing = Literal["ahead", "behind", "not distinguishable"]

MIN_SEEDS = 3
LEVEL = 0.95
POWER = 0.80
MANY = 100
_SAME = 1e-9
_Z = float(ndtri((1 + LEVEL) / 2) + ndtri(POWER))


@dataclass(frozen=True)
class Comparison:
    """Config minus reference: mean difference over data seeds, its standard error, and the 95 % interval.

    ``seeds``: data seeds of both; ``pairs`` > 0: both ran on so many common ones, and only these count. ``freedom``:
    that of the t distribution. None = not measurable, with the ``reason``. ``spread``: variance that one more data seed
    carries. ``split``: bad runs stand beside good ones. A standing is about one metric of one config that nobody chose
    for its figures: the leader of many is ahead by luck as well.
    """

    metric: str
    seeds: tuple[int, int]
    pairs: int = 0
    difference: float | None = None
    error: float | None = None
    freedom: float = 0.0
    reason: str = ""
    spread: float = 0.0
    split: bool = False

    @property
    def measured(self) -> bool:
        """Whether there is an interval."""
        return self.difference is not None and self.error is not None

    def bound(self, level: float) -> float:
        """How far a one-sided bound of ``level`` lies from the difference."""
        assert self.error is not None
        return float(stdtrit(self.freedom, level)) * self.error

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The two-sided 95 % interval."""
        if self.difference is None or self.error is None:
            return None
        half = self.bound((1 + LEVEL) / 2)
        return self.difference - half, self.difference + half

    @property
    def p_above(self) -> float:
        """One-sided p of the hypothesis that the true difference is 0 or less; 1.0 where nothing was measured."""
        if self.difference is None or self.error is None:
            return 1.0
        return float(stdtr(self.freedom, -self.difference / self.error))

    @cached_property
    def standing(self) -> Standing:
        """Ahead or behind when the interval leaves out 0."""
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return "not distinguishable"
        return "ahead" if (self.interval[0] > 0) != METRICS[self.metric].lower_is_better else "behind"

    @property
    def more_seeds(self) -> int | None:
        """Further data seeds that would tell; None when it is told, unknown, or the runs fall into two kinds."""
        if self.split or self.difference is None or not self.measured or self.standing != "not distinguishable":
            return None
        needed = seeds_needed(self.difference, self.spread)
        return None if needed is None else max(1, needed - (self.pairs or min(self.seeds)))


def compare(config: Cells, reference: Cells, noise: Noise, metric: str, split: bool = False) -> Comparison:
    """Compare the means over data seeds; at least MIN_SEEDS of each, or of common ones.

    On at least MIN_SEEDS common data seeds the two are paired: the data's share of the noise falls out, the rest is
    ``noise.crossed``. Else the variance of each mean is that of `_mean_variance`.
    """
    shared = sorted(config.means.keys() & reference.means.keys())
    if len(shared) >= MIN_SEEDS:
        return _paired(config, reference, shared, noise, metric, split)
    seeds = config.seeds, reference.seeds
    if config.mean is None or reference.mean is None:
        return Comparison(metric, seeds, reason=f"{metric} was not measured in both configs")
    difference = config.mean - reference.mean
    if min(seeds) < MIN_SEEDS:
        reason = f"fewer than {MIN_SEEDS} data seeds with well recovered runs"
        return Comparison(metric, seeds, difference=difference, reason=reason, split=split)
    square, freedom = _sum_of(_mean_variance((config, reference), noise))
    if freedom <= 0 or square <= 0:
        return Comparison(
            metric, seeds, difference=difference, reason="the runs do not vary, so there is no noise", split=split
        )
    spread = 2 * noise.seeds.square
    return Comparison(metric, seeds, 0, difference, math.sqrt(square), freedom, spread=spread, split=split)


def _paired(config: Cells, reference: Cells, shared: list[int], noise: Noise, metric: str, split: bool) -> Comparison:
    seeds, n = (config.seeds, reference.seeds), len(shared)
    gaps = [config.means[seed] - reference.means[seed] for seed in shared]
    difference = math.fsum(gaps) / n
    # A gap holds the residual of both configs.
    own = Variance.of(math.fsum((gap - difference) ** 2 for gap in gaps) / 2, n - 1)
    residual = own if noise.crossed.freedom < own.freedom or differs(own, noise.crossed) else noise.crossed
    if not residual.known:
        reason = "the pairs do not vary, so there is no noise"
        return Comparison(metric, seeds, n, difference, reason=reason, split=split)
    square = 2 * residual.square
    return Comparison(metric, seeds, n, difference, math.sqrt(square / n), residual.freedom, spread=square, split=split)


def _mean_variance(configs: tuple[Cells, Cells], noise: Noise) -> list[tuple[float, Variance]]:
    """Variance of the difference of two means over data seeds, as factors of independent variance estimates.

    A seed mean over m runs varies by data + training / m. ``noise.seeds`` is that at the average 1/m of the pool; the
    difference to a config's own 1/m is a multiple of ``noise.training``. Where the data show no variance of their own,
    all there is is training, as the restricted likelihood has it (Searle, Casella and McCulloch, Variance Components,
    1992). A config whose spread visibly differs from the pool's counts with its own.
    """
    terms: list[tuple[float, Variance]] = []
    usual = []
    for one in configs:
        own = Variance.of(one.between, one.seeds - 1)
        if not noise.seeds.known or differs(own, noise.seeds):
            terms.append((1 / one.seeds, own))
        else:
            usual.append(one)
    if not usual:
        return terms
    pooled, parts = sum(1 / one.seeds for one in usual), sum(one.training_part / one.seeds for one in usual)
    if noise.training.known and noise.seeds.square <= noise.training_part * noise.training.square:
        return [*terms, (parts, noise.training_alone)]
    terms.append((pooled, noise.seeds))
    rest = parts - noise.training_part * pooled
    return [*terms, (rest, noise.training)] if abs(rest) > _SAME and noise.training.known else terms


def _sum_of(terms: list[tuple[float, Variance]]) -> tuple[float, float]:
    """The sum and its degrees of freedom after Satterthwaite (Biometrics Bulletin 2, 1946)."""
    square = math.fsum(factor * one.square for factor, one in terms)
    known = [(factor * one.square, one.freedom) for factor, one in terms if one.known]
    if not known or len(known) < len(terms):
        return 0.0, 0.0
    return square, square**2 / math.fsum(part**2 / freedom for part, freedom in known)


def seeds_needed(difference: float, variance: float) -> int | None:
    """Data seeds for a two-sided test at 5 % to see ``difference`` with a power of 80 %.

    ``variance`` is that of the difference on one data seed.

    n = (z_0.975 + z_0.8)^2 variance / difference^2, the usual normal approximation (Cohen, Statistical Power Analysis,
    1988). At least 2; None when no number would do.
    """
    if difference == 0 or variance <= 0:
        return None
    return max(2, math.ceil(_Z**2 * variance / difference**2))


def render_comparison(comparison: Comparison) -> str:
    """The comparison as one sentence, for prompt and report."""
    c = comparison
    if c.difference is None:
        return f"{c.metric}: {c.reason}"
    if c.interval is None:
        return f"{c.metric}: difference {c.difference:+.3f}, no interval ({c.reason})"
    how = f"{c.pairs} common data seeds" if c.pairs else f"{c.seeds[0]} and {c.seeds[1]} data seeds"
    more = "" if c.more_seeds is None else f"; {how_many(c.more_seeds)} more data seeds would tell"
    return f"{c.metric}: {c.standing} over {how}, difference {c.difference:+.3f}, {show_interval(c)}{more}"


def show_interval(c: Comparison) -> str:
    """The interval of a comparison in words."""
    assert c.interval is not None
    return interval_words(c.interval, c.metric)


def interval_words(interval: tuple[float, float], metric: str) -> str:
    """`95 % interval -0.012 to +0.034`; an R2 cannot differ by more than 1."""
    low, high = interval if METRICS[metric].high > 1 else (max(interval[0], -1.0), min(interval[1], 1.0))
    return f"95 % interval {low:+.3f} to {high:+.3f}"


def how_many(seeds: int) -> str:
    """An estimate from a few runs; a large one says only that the difference is small."""
    return f"about {seeds}" if seeds <= MANY else f"over {MANY}"
