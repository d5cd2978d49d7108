"""The limit below which a first run is cut: a prediction interval that holds what it promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ucb.cut import ALPHA, LEAST_SEEDS, floor_of, third


def test_the_limit_is_the_textbook_prediction_limit() -> None:
    values = [0.50, 0.54, 0.47, 0.52, 0.49, 0.53]
    floor = floor_of(values)
    assert floor is not None
    sd = float(np.std(values, ddof=1))
    assert floor.limit == pytest.approx(np.mean(values) - stats.t.ppf(0.99, 5) * sd * math.sqrt(1 + 1 / 6))
    assert (floor.mean, floor.sd, floor.seeds) == (pytest.approx(np.mean(values)), pytest.approx(sd), 6)


def test_one_new_run_of_a_hundred_lies_below() -> None:
    rng = np.random.default_rng(7)
    draws = rng.normal(0.6, 0.03, (20_000, 9))
    floors = [floor_of(list(map(float, row[:-1]))) for row in draws]
    below = np.mean([float(row[-1]) < floor.limit for row, floor in zip(draws, floors, strict=True) if floor])
    assert abs(below - ALPHA) < 4 * math.sqrt(ALPHA * (1 - ALPHA) / len(draws))


@pytest.mark.parametrize("values", [[], [0.5] * (LEAST_SEEDS - 1), [0.1, 0.9, 0.5][: LEAST_SEEDS - 1], [0.5] * 12])
def test_too_few_seeds_or_no_noise_give_no_limit(values: list[float]) -> None:
    assert floor_of(values) is None


@pytest.mark.parametrize(
    ("total", "found"),
    [(900, (300, 0.2)), (901, (400, None)), (1200, (400, None)), (1201, (500, 0.4)), (1600, None), (0, None)],
)
def test_the_first_point_at_or_after_a_third(total: int, found: tuple[int, float | None] | None) -> None:
    assert third([(100, 0.1), (300, 0.2), (400, None), (500, 0.4)], total) == found
