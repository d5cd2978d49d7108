"""Failed and badly recovered runs: which they are, how large their share may be, and whether one config has more.

They are no tail of the noise: one such run among four good ones would be read as a huge spread. So they are counted,
and means and intervals are about the other, well recovered runs.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from state.thresholds import Thresholds
from ucb.variance import Run

LEVEL = 0.95
# A usual run of a campaign whose baseline is itself below the status limit is no bad run.
BELOW_USUAL = 0.1


def bad_limit(baseline: Sequence[Run], limits: Thresholds) -> float:
    """A connectivity_R2 at or below this is badly recovered: the status limit, or 0.1 below the baseline's median."""
    known = [
        value for run in baseline if run.metrics is not None and (value := run.value("connectivity_R2")) is not None
    ]
    return min(limits.converged, statistics.median(known) - BELOW_USUAL) if known else limits.converged


def is_bad(run: Run, limit: float) -> bool:
    """Whether ``run`` failed, has no connectivity_R2, or one at or below ``limit``."""
    value = None if run.metrics is None else run.metrics.get("connectivity_R2")
    return value is None or value <= limit


@dataclass(frozen=True)
class Share:
    """``bad`` of ``runs``, with the bounds that the true share passes on each side in 5 % of all cases at most."""

    bad: int
    runs: int
    low: float
    high: float

    def __str__(self) -> str:
        span = f"{100 * self.low:.0f} to {100 * self.high:.0f} %" if self.bad else f"at most {100 * self.high:.0f} %"
        return f"{self.bad} of {self.runs} bad (95 % bound{'s' if self.bad else ''}: {span})"


def share(bad: int, runs: int) -> Share:
    """The share with one-sided 95 % bounds of Clopper and Pearson (Biometrika 26, 1934): 0 of 4 leaves up to 53 %."""
    low = float(betaincinv(bad, runs - bad + 1, 1 - LEVEL)) if bad else 0.0
    high = float(betaincinv(bad + 1, runs - bad, LEVEL)) if bad < runs else 1.0
    return Share(bad, runs, low, high)


def bad_share(runs: Iterable[Run], limit: float) -> Share:
    """The share of bad runs among ``runs``."""
    flags = [is_bad(run, limit) for run in runs]
    return share(sum(flags), len(flags))


def more_bad(share: Share, reference: Share) -> float:
    """p of Fisher's exact test that ``share`` is larger than ``reference``, one-sided; 1.0 where nothing has run."""
    if not share.runs or not reference.runs:
        return 1.0
    # Imported here: it takes half a second, and every command would wait for it.
    from scipy.stats import fisher_exact

    table = np.array([[share.bad, share.runs - share.bad], [reference.bad, reference.runs - reference.bad]])
    return float(fisher_exact(table, alternative="greater").pvalue)
