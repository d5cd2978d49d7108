"""A half fraction is orthogonal and balanced, and its runs give back main effects with the right error."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import t

from state.policy import SCREENED_KEYS
from ucb.noise import Noise, Variance
from ucb.screening import half_fraction, key_effects, noise_within

KNOWN = Variance(0.04, 10)


@pytest.mark.parametrize(("runs", "keys"), SCREENED_KEYS.items())
def test_keys_are_balanced_and_told_apart(runs: int, keys: int) -> None:
    levels = half_fraction(keys)
    assert len(set(levels)) == len(levels) == runs
    assert levels[0] == (False,) * keys
    signs = np.where(np.array(levels), 1, -1)
    assert (signs.sum(axis=0) == 0).all()
    assert (signs.T @ signs == runs * np.eye(keys)).all()
    # An effect is mixed with the interaction of all other keys, and with none of fewer.
    for key in range(keys):
        others = [signs[:, other] for other in range(keys) if other != key]
        for size in range(1, keys):
            mixed = [abs(int(np.prod(few, axis=0) @ signs[:, key])) for few in combinations(others, size)]
            assert set(mixed) == ({runs} if size == keys - 1 else {0})


@pytest.mark.parametrize(("runs", "keys"), SCREENED_KEYS.items())
def test_effects_of_an_additive_surface_are_exact(runs: int, keys: int) -> None:
    levels, true = half_fraction(keys), [0.1 * (n + 1) * (-1) ** n for n in range(keys)]
    values = [0.5 + sum(one for one, changed in zip(true, row, strict=True) if changed) for row in levels]
    found = key_effects(levels, values, KNOWN)
    assert found is not None
    assert [one.difference for one in found] == pytest.approx(true)
    half = t.ppf(0.975, 10) * 2 * 0.2 / math.sqrt(runs)
    for one, difference in zip(found, true, strict=True):
        assert one.interval == pytest.approx((difference - half, difference + half))


def test_an_interaction_of_two_keys_stands_in_the_effect_of_the_third() -> None:
    levels = half_fraction(3)
    found = key_effects(levels, [0.3 if row[0] and row[1] else 0.0 for row in levels], KNOWN)
    assert found is not None
    assert [one.difference for one in found] == pytest.approx([0.15, 0.15, -0.15])


def test_a_lost_run_costs_four_runs_everything_and_eight_runs_precision() -> None:
    assert key_effects(half_fraction(3), [0.1, 0.2, None, 0.3], KNOWN) is None
    levels = half_fraction(4)
    values: list[float | None] = [0.2 if row[2] else 0.0 for row in levels]
    whole, values[5] = key_effects(levels, values, KNOWN), None
    left = key_effects(levels, values, KNOWN)
    assert whole is not None
    assert left is not None
    assert [one.difference for one in left] == pytest.approx([0.0, 0.0, 0.2, 0.0])
    for more, fewer in zip(whole, left, strict=True):
        assert more.interval is not None
        assert fewer.interval is not None
        assert fewer.interval[1] - fewer.interval[0] > more.interval[1] - more.interval[0]


def test_without_noise_there_is_no_interval_and_data_noise_stands_in_as_long_as_nothing_else_is_known() -> None:
    found = key_effects(half_fraction(3), [0.0, 1.0, 1.0, 0.0], Variance())
    assert found is not None
    assert [one.interval for one in found] == [None] * 3
    own, crossed = Variance(0.09, 11), Variance(0.04, 3)
    assert noise_within(Noise(seeds=own)) is own
    assert noise_within(Noise(seeds=own, crossed=crossed)) is crossed


def test_intervals_hold_the_true_effect_as_often_as_they_say() -> None:
    """Noise of the data falls out, whatever its size; 95 % of 3,000 intervals, within four standard errors."""
    rng, levels = np.random.default_rng(0), half_fraction(3)
    held = 0
    for _ in range(1000):
        noise = Variance(0.01**2 * rng.chisquare(8) / 8, 8)
        values = rng.normal(0, 0.3) + rng.normal(0, 0.01, 4)
        for one in key_effects(levels, list(values), noise) or []:
            assert one.interval is not None
            held += one.interval[0] <= 0 <= one.interval[1]
    assert abs(held / 3000 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 1000)
