"""How much one metric varies, pooled over the configs of a night: three lucky runs have a tiny spread of their own.

Three variances are kept apart: of a seed mean (data and training together), of runs on the same data (training), and of
a config's departure from another on the same data (what is left when both ran on it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtr

from ucb.cells import Cells

# A config whose spread has less than this chance (two-sided F test) under the others' spread keeps its own.
VISIBLE = 0.01
_TINY = 1e-18


@dataclass(frozen=True)
class Variance:
    """A variance and its degrees of freedom; 0 of them: unknown."""

    square: float = 0.0
    freedom: int = 0

    @classmethod
    def of(cls, squares: float, freedom: int) -> Variance:
        """From a sum of squares; rounding errors of equal values are no variance."""
        return cls(squares / freedom, freedom) if freedom > 0 and squares > _TINY else cls(0.0, max(freedom, 0))

    @property
    def known(self) -> bool:
        """Whether there is noise to judge by."""
        return self.freedom > 0 and self.square > 0


@dataclass(frozen=True)
class Noise:
    """The pooled noise of one metric.

    ``seeds``: variance of a seed mean around its config's mean; ``training_part``: how much of ``training`` it holds on
    average (1 where every data seed has one run); ``training``: variance of runs on the same data; ``crossed``:
    residual variance of seed means after config and data seed are taken out.
    """

    seeds: Variance = Variance()
    training: Variance = Variance()
    crossed: Variance = Variance()
    training_part: float = 1.0

    @property
    def training_alone(self) -> Variance:
        """The training variance where the data have none: the variance of seed means tells of it as well."""
        parts = (
            (self.seeds.square / self.training_part, self.seeds.freedom),
            (self.training.square, self.training.freedom),
        )
        return Variance.of(sum(square * freedom for square, freedom in parts), sum(freedom for _, freedom in parts))


def differs(own: Variance, others: Variance) -> bool:
    """Whether two spreads visibly differ: the two-sided F test at VISIBLE."""
    if own.freedom < 1 or not others.known:
        return False
    below = float(fdtr(own.freedom, others.freedom, own.square / others.square))
    return min(below, 1 - below) < VISIBLE / 2


def pool(configs: Sequence[Cells], series: Sequence[Cells] = ()) -> Noise:
    """The noise over ``configs``, those left out whose spread visibly differs from that of the others.

    ``series``: runs of several configs on common data seeds, for ``Noise.crossed``.
    """
    several = [one for one in configs if one.seeds > 1]
    squares, freedom = (np.array([f(one) for one in several], dtype=float) for f in (_between, _freedom))
    keep = _alike(squares, freedom)
    freed = float(freedom[keep].sum())
    part = float((freedom * np.array([one.training_part for one in several]))[keep].sum() / freed) if freed else 1.0
    within = sum(one.within for one in configs), sum(one.runs - one.seeds for one in configs)
    seeds = Variance.of(float(squares[keep].sum()), int(freed))
    return Noise(seeds, Variance.of(*within), crossed(series), part)


def _between(one: Cells) -> float:
    return one.between


def _freedom(one: Cells) -> int:
    return one.seeds - 1


def _alike(squares: NDArray[np.float64], freedom: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which configs are pooled: the most different one goes, again and again, as long as the F test sees it."""
    keep = np.ones(len(squares), dtype=bool)
    while keep.sum() > 1:
        rest, rest_freedom = squares[keep].sum() - squares, freedom[keep].sum() - freedom
        testable = keep & (rest_freedom > 0) & (rest > _TINY)
        below = np.full(len(squares), 0.5)
        ratio = squares[testable] / freedom[testable] * rest_freedom[testable] / rest[testable]
        below[testable] = fdtr(freedom[testable], rest_freedom[testable], ratio)
        extreme = np.minimum(below, 1 - below)
        worst = int(extreme.argmin())
        if extreme[worst] >= VISIBLE / 2:
            break
        keep[worst] = False
    return keep


def crossed(series: Sequence[Cells]) -> Variance:
    """Residual variance of the additive model seed mean = config + data seed, by least squares.

    The analysis of a randomised block design with the data seeds as blocks (Fisher, The Design of Experiments, 1935).
    Data seeds that only one config ran on tell nothing here.
    """
    used: dict[int, int] = {}
    for one in series:
        for seed in one.means:
            used[seed] = used.get(seed, 0) + 1
    seeds = {seed: n for n, seed in enumerate(sorted(seed for seed, times in used.items() if times > 1))}
    rows = [
        (n, seeds[seed], value) for n, one in enumerate(series) for seed, value in one.means.items() if seed in seeds
    ]
    if not rows:
        return Variance()
    design = np.zeros((len(rows), len(series) + len(seeds)))
    for row, (config, seed, _) in enumerate(rows):
        design[row, config] = design[row, len(series) + seed] = 1.0
    y = np.array([value for *_, value in rows])
    solution, _, rank, _ = np.linalg.lstsq(design, y - y.mean(), rcond=None)
    left = y - y.mean() - design @ solution
    return Variance.of(float(left @ left), len(rows) - int(rank))
