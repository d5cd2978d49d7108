"""Pooled noise: textbook values, robust to one config of another spread, and blocked by data seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f_oneway

from ucb.cells import Cells, cells
from ucb.noise import Variance, crossed, differs, pool
from ucb.variance import Run


def of(values: list[float], first_seed: int = 0) -> Cells:
    """One run on each data seed."""
    return Cells({first_seed + n: (value,) for n, value in enumerate(values)})


def test_cells_gather_by_seed_and_leave_bad_runs_out() -> None:
    runs = [Run("C", n, seed, n, {"connectivity_R2": v}) for n, (seed, v) in enumerate([(1, 0.9), (1, 0.94), (2, 0.3)])]
    found = cells([*runs, Run("C", 9, 3, 9, None)], "connectivity_R2", 0.8)
    assert (found.seeds, found.runs) == (1, 2)
    assert found.mean == pytest.approx(0.92)
    assert found.within == pytest.approx(2 * 0.02**2)
    assert Cells({}).mean is None


def test_every_seed_has_the_same_weight() -> None:
    assert Cells({1: (0.0, 0.0, 0.0), 2: (1.0,)}).mean == 0.5
    assert Cells({1: (0.0, 0.0), 2: (1.0,)}).training_part == 0.75


def test_pooled_variance_is_the_within_groups_mean_square() -> None:
    groups = [[0.90, 0.95, 0.92], [0.91, 0.93], [0.96, 0.94, 0.97, 0.95]]
    found = pool([of(group) for group in groups])
    squares = sum(sum((x - np.mean(group)) ** 2 for x in group) for group in groups)
    assert found.seeds.freedom == 6
    assert found.seeds.square == pytest.approx(squares / 6)
    # The F of a one-way analysis of variance has this mean square below its line.
    every = np.concatenate([np.array(group) for group in groups])
    between = sum(len(group) * (np.mean(group) - every.mean()) ** 2 for group in groups) / 2
    assert between / found.seeds.square == pytest.approx(f_oneway(*groups).statistic)


def test_a_config_of_visibly_larger_spread_is_not_pooled() -> None:
    rng = np.random.default_rng(1)
    calm = [of(rng.normal(0.9, 0.01, 6).tolist()) for _ in range(4)]
    assert pool([*calm, of([0.5, 0.9, 0.7, 0.95])]) == pool(calm)


def test_lucky_runs_are_pooled_with_the_others() -> None:
    found = pool([of([0.905, 0.910, 0.915]), of([0.90, 0.95, 0.92, 0.88, 0.93])])
    assert found.seeds.freedom == 6


def test_runs_on_one_data_seed_tell_of_training_alone() -> None:
    found = pool([Cells({1: (0.90, 0.94)}), Cells({2: (0.80, 0.82, 0.84)})])
    assert found.seeds == Variance()
    assert found.training.square == pytest.approx((2 * 0.02**2 + 2 * 0.02**2) / 3)


def test_crossed_takes_config_and_data_out() -> None:
    rng = np.random.default_rng(2)
    data, errors = rng.normal(0, 0.1, 6), rng.normal(0, 0.01, (3, 6))
    table = 0.5 + data + np.array([[0.0], [0.05], [0.1]]) + errors
    found = crossed([of(row.tolist()) for row in table])
    left = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    assert found.freedom == 10
    assert found.square == pytest.approx(float((left**2).sum() / 10))


def test_crossed_ignores_data_that_one_config_alone_ran_on() -> None:
    a, b = of([0.5, 0.6, 0.8]), of([0.52, 0.61, 0.85])
    found, want = crossed([a, b, of([0.1, 0.9], first_seed=50)]), crossed([a, b])
    assert (found.freedom, found.square) == (2, pytest.approx(want.square))
    assert crossed([a, of([0.1, 0.9], first_seed=50)]) == Variance()
    assert crossed([]) == Variance()


def test_visibly_different_is_a_matter_of_one_per_cent() -> None:
    assert not differs(Variance(4.0, 5), Variance(1.0, 30))
    assert differs(Variance(5.0, 5), Variance(1.0, 30))
    assert not differs(Variance(0.01, 1), Variance(1.0, 30))
    assert not differs(Variance(9.0, 5), Variance())
