"""Comparisons over data seeds: honest intervals however seeds are repeated, paired where seeds allow."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from ucb.cells import Cells
from ucb.compare import Comparison, compare, render_comparison, seeds_needed
from ucb.noise import Noise, pool


def of(values: list[float], first_seed: int = 0) -> Cells:
    return Cells({first_seed + n: (value,) for n, value in enumerate(values)})


def against(a: Cells, b: Cells, metric: str = "connectivity_R2", split: bool = False) -> Comparison:
    return compare(a, b, pool([a, b]), metric, split)


def test_two_configs_alone_give_the_two_sample_t_test() -> None:
    a, b = [0.90, 0.93, 0.95, 0.91], [0.85, 0.88, 0.86]
    found, want = against(of(a), of(b, 50)), ttest_ind(a, b).confidence_interval(0.95)
    assert found.interval == pytest.approx((want.low, want.high))
    assert (found.standing, found.pairs, found.seeds) == ("ahead", 0, (4, 3))
    assert found.p_above == pytest.approx(ttest_ind(a, b, alternative="greater").pvalue)
    assert against(of(b), of(a, 50)).standing == "behind"


def test_common_data_seeds_give_the_paired_t_test() -> None:
    a, b = [0.55, 0.76, 0.94, 0.65], [0.5, 0.7, 0.9, 0.6]
    found, want = against(of(a), of(b)), ttest_rel(a, b).confidence_interval(0.95)
    assert found.interval == pytest.approx((want.low, want.high))
    assert (found.standing, found.pairs) == ("ahead", 4)


def test_less_time_is_ahead() -> None:
    assert against(of([60.0, 61, 62]), of([80.0, 81, 82], 50), "training_time_min").standing == "ahead"


def test_repeats_on_one_data_seed_are_no_further_data() -> None:
    six_on_one = Cells({1: (0.95, 0.95, 0.96, 0.95, 0.96, 0.95)})
    found = against(six_on_one, of([0.9, 0.92, 0.91, 0.93], 50))
    assert (found.interval, found.standing) == (None, "not distinguishable")
    assert "fewer than 3 data seeds" in render_comparison(found)


def test_a_lucky_config_is_judged_by_the_noise_of_the_night() -> None:
    lucky, base = of([0.940, 0.950, 0.960]), of([0.90, 0.96, 0.93, 0.89, 0.95, 0.91], 50)
    alone = compare(lucky, base, Noise(), "connectivity_R2")
    pooled = against(lucky, base)
    assert alone.error is not None
    assert pooled.error is not None
    # Its own spread is 0.010, that of all together 0.025.
    assert pooled.error == pytest.approx(0.0247 * (1 / 3 + 1 / 6) ** 0.5, rel=0.02)
    assert alone.error < 0.75 * pooled.error


def test_what_cannot_be_judged_says_why() -> None:
    assert "not measured" in render_comparison(against(Cells({}), of([0.9, 0.8, 0.7])))
    assert "do not vary" in render_comparison(against(of([0.9] * 3), of([0.8] * 3, 50)))
    assert "do not vary" in render_comparison(against(of([0.9] * 3), of([0.8] * 3)))


def test_runs_of_two_kinds_get_no_number_of_further_runs() -> None:
    a, b = of([0.90, 0.95, 0.92]), of([0.94, 0.91, 0.93, 0.90], 50)
    assert against(a, b).more_seeds is not None
    assert against(a, b, split=True).more_seeds is None
    assert against(of([0.95, 0.96, 0.95]), of([0.8, 0.81, 0.82], 50)).more_seeds is None


def test_an_interval_of_r2_stays_within_what_r2_can_be() -> None:
    wide = against(of([0.1, 0.9, 0.5]), of([0.1, 0.2, 0.0], 50), "V_rest_R2")
    assert wide.interval is not None
    assert wide.interval[1] > 1
    assert "to +1.000" in render_comparison(wide)


def test_seeds_needed_is_the_usual_sample_size() -> None:
    # Two groups of std 1 and a difference of 1: 2 (1.96 + 0.84)^2 = 15.7.
    assert seeds_needed(1.0, 2.0) == 16
    assert seeds_needed(0.0, 2.0) is None
    assert seeds_needed(1.0, 0.0) is None


def draw(rng: np.random.Generator, counts: list[int], data: float, training: float, first_seed: int) -> Cells:
    """Runs of a config, ``counts`` of them on each data seed."""
    rows = [rng.normal(0.9, data) + rng.normal(0, training, n) for n in counts]
    return Cells({first_seed + n: tuple(map(float, row)) for n, row in enumerate(rows)})


@pytest.mark.parametrize("counts", [[1] * 3, [1] * 4, [1] * 6, [1] * 12, [2] * 3, [4, 1, 1], [3] * 4])
@pytest.mark.parametrize(("data", "training"), [(0.03, 0.02), (0.0, 0.036)])
def test_the_interval_covers_the_truth_as_often_as_it_says(counts: list[int], data: float, training: float) -> None:
    rng, held, nights = np.random.default_rng([len(counts), sum(counts)]), 0, 400
    for _ in range(nights):
        base = draw(rng, [1] * 12, data, training, 0)
        others = [draw(rng, [1, 1, 1 + n % 3], data, training, 100 * n) for n in range(1, 7)]
        config = draw(rng, counts, data, training, 1000)
        found = compare(config, base, pool([config, base, *others]), "connectivity_R2")
        assert found.interval is not None
        held += found.interval[0] <= 0 <= found.interval[1]
    # 95 % of 400 nights, give or take three standard errors.
    assert 0.917 <= held / nights <= 0.983
