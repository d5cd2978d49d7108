"""Whether a first run is hopeless at a third of its training: its curve lies below where the baseline's curves lie.

The limit is the lower end of a one-sided prediction interval for one new run of the baseline on a new data seed
(normal theory, e.g. Hahn and Meeker, Statistical Intervals, 1991): mean - t s sqrt(1 + 1/n), over the first baseline
run on each of n data seeds, so that all values are independent; t is the 1 - ALPHA quantile of Student's t with n - 1
degrees of freedom. A config that is as good as the baseline at this point is cut with the chance ALPHA.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

SHARE = 3  # one part in so many of the training
ALPHA = 0.01
# The quantile of fewer degrees of freedom is so far out that nothing would ever be cut.
LEAST_SEEDS = 4


@dataclass(frozen=True)
class Floor:
    """What a new run of the baseline stays above, but for the chance ALPHA."""

    limit: float
    mean: float
    sd: float
    seeds: int


def floor_of(values: Sequence[float]) -> Floor | None:
    """The floor under ``values``, one baseline run a data seed; None for too few of them or without any noise."""
    if len(values) < LEAST_SEEDS:
        return None
    mean, sd = statistics.fmean(values), statistics.stdev(values)
    if not sd > 0:
        return None
    quantile = float(stdtrit(len(values) - 1, 1 - ALPHA))
    return Floor(mean - quantile * sd * math.sqrt(1 + 1 / len(values)), mean, sd, len(values))


def third(rows: Iterable[tuple[int, float | None]], total: int) -> tuple[int, float | None] | None:
    """The first of ``rows`` (iteration, value) at or after a third of ``total`` iterations, or None."""
    return next(((at, value) for at, value in rows if SHARE * at >= total > 0), None)
