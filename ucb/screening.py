"""A screening batch: which of its runs changes which keys, and what the runs say of each key.

A half fraction of a two-level factorial around one config. A key is at its first level where it has that config's
value, at its second where it is changed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import stdtrit

from ucb.compare import LEVEL
from ucb.noise import Noise, Variance

# Run -> for each key whether it is changed.
Levels = Sequence[Sequence[bool]]


def half_fraction(keys: int) -> tuple[tuple[bool, ...], ...]:
    """The 2^(keys-1) runs of the regular half fraction that holds the unchanged config, which comes first.

    They are the runs that change an even number of keys (Box and Hunter, Technometrics 3, 1961: the last key takes the
    product of the others, with the sign that the unchanged config needs). Each key is changed in half of the runs, and
    each two keys together in a quarter, so that the effects are told apart; that of each key is mixed with the
    interaction of all the other keys.
    """
    return tuple(changed for changed in product((False, True), repeat=keys) if sum(changed) % 2 == 0)


@dataclass(frozen=True)
class KeyEffect:
    """What changing one key does to a metric: the difference, and its 95 % interval (None: the noise is unknown)."""

    difference: float
    interval: tuple[float, float] | None


def noise_within(noise: Noise) -> Variance:
    """The variance of a run beside others on the same data seed.

    As long as no two configs have run on common data seeds, that of a run on data of its own, which is larger.
    """
    return noise.crossed if noise.crossed.known else noise.seeds


def key_effects(levels: Levels, values: Sequence[float | None], noise: Variance) -> list[KeyEffect] | None:
    """The effect of each key by least squares on all keys together; None where too few runs are left.

    ``values``: the metric of each run, None where it has none. In a whole half fraction an effect is the mean of the
    runs that change the key minus that of the others, and its standard error 2 sd / sqrt(runs).
    """
    known = [(row, value) for row, value in zip(levels, values, strict=True) if value is not None]
    x = np.array([[1.0, *(0.5 if one else -0.5 for one in row)] for row, _ in known])
    if len(known) < len(levels[0]) + 1 or np.linalg.matrix_rank(x) < x.shape[1]:
        return None
    solution = np.linalg.lstsq(x, np.array([value for _, value in known]), rcond=None)[0][1:]
    factors = np.diag(np.linalg.inv(x.T @ x))[1:]
    return [_effect(float(one), float(factor), noise) for one, factor in zip(solution, factors, strict=True)]


def _effect(difference: float, factor: float, noise: Variance) -> KeyEffect:
    if not noise.known:
        return KeyEffect(difference, None)
    half = float(stdtrit(noise.freedom, (1 + LEVEL) / 2)) * math.sqrt(factor * noise.square)
    return KeyEffect(difference, (difference - half, difference + half))
