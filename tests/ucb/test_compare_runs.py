"""Verdicts on two configs: right on clear cases, honest on noise, paired where seeds allow."""

from __future__ import annotations

import numpy as np
import pytest

from ucb.compare_runs import compare, render_comparison, runs_needed
from ucb.variance import Run


def runs(values: list[float | None], first_seed: int = 0, metric: str = "connectivity_R2", seeds: int = 0) -> list[Run]:
    """One run a value, on seeds of its own (or ``seeds`` of them in turn); None is a failed slot."""
    return [
        Run("C", i, first_seed + (i % seeds if seeds else i), i, None if value is None else {metric: value})
        for i, value in enumerate(values)
    ]


def test_a_clear_difference_is_seen_both_ways() -> None:
    low, high = runs([0.80, 0.81, 0.79, 0.80]), runs([0.90, 0.91, 0.92, 0.90], first_seed=100)
    better, worse = compare(high, low), compare(low, high)
    assert (better.standing, worse.standing) == ("better", "worse")
    assert better.difference == pytest.approx(0.1075)
    assert better.low is not None
    assert better.high is not None
    assert 0 < better.low < 0.1075 < better.high
    assert (better.more_runs, better.pairs) == (None, 0)


def test_less_time_is_better() -> None:
    short, long = (runs(v, s, "training_time_min") for v, s in (([60.0, 61, 62], 0), ([80.0, 81, 82], 50)))
    assert compare(short, long, "training_time_min").standing == "better"


def test_a_hopeless_number_of_runs_is_not_spelt_out() -> None:
    found = compare(runs([0.90, 0.95, 0.92]), runs([0.9233, 0.95, 0.90, 0.92], first_seed=50))
    assert found.more_runs is not None
    assert found.more_runs > 100
    assert render_comparison(found).endswith("; over 100 more would tell")


def test_noise_is_no_principle() -> None:
    found = compare(runs([0.90, 0.95, 0.92]), runs([0.94, 0.91, 0.93, 0.90], first_seed=50))
    assert found.standing == "not distinguishable"
    assert found.more_runs is not None
    assert found.more_runs >= 1


def test_shared_seeds_are_paired_and_take_out_the_noise_of_the_data() -> None:
    data = [0.5, 0.7, 0.9, 0.6]
    low, high = runs(list(data)), runs([d + e for d, e in zip(data, [0.05, 0.06, 0.04, 0.05], strict=True)])
    paired = compare(high, low)
    assert (paired.standing, paired.pairs) == ("better", 4)
    unpaired = compare(runs([run.value("connectivity_R2") for run in high], first_seed=50), low)
    assert (unpaired.standing, unpaired.pairs) == ("not distinguishable", 0)


def test_a_failed_run_counts_as_zero() -> None:
    found = compare(runs([0.9, None, 0.9]), runs([0.9, 0.9, 0.9], first_seed=50))
    assert found.difference == pytest.approx(-0.3)


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [([], [0.9, 0.8], "not measured"), ([0.9], [0.8, 0.81], "single run"), ([0.9] * 3, [0.8] * 3, "do not vary")],
)
def test_what_cannot_be_judged_says_why(a: list[float | None], b: list[float | None], reason: str) -> None:
    found = compare(runs(a), runs(b, first_seed=50))
    assert found.standing == "not distinguishable"
    assert found.low is None
    assert reason in found.reason
    assert reason in render_comparison(found)


def test_pairs_that_all_differ_alike_are_no_measure_of_noise() -> None:
    found = compare(runs([0.55, 0.75, 0.95]), runs([0.5, 0.7, 0.9]))
    assert (found.pairs, found.low) == (3, None)
    assert "do not vary" in found.reason


def test_a_single_data_set_is_warned_about() -> None:
    same = runs([0.9, 0.91, 0.92], first_seed=7, seeds=1)
    assert "single data set" in compare(same, runs([0.8, 0.81, 0.82], first_seed=50)).reason


def test_runs_needed_is_the_usual_sample_size() -> None:
    # Two configs of std 1 and a difference of 1: 2 (1.96 + 0.84)^2 = 15.7 runs of each.
    assert runs_needed(1.0, 2.0) == 16
    assert runs_needed(-1.0, 2.0) == 16
    assert runs_needed(0.0, 2.0) is None
    assert runs_needed(1.0, 0.0) is None


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        a, b = (runs(rng.normal(0.9, 0.03, 4).tolist(), seed) for seed in (0, 50))
        found = compare(a, b)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0 <= found.high
    assert held / 200 > 0.91


def test_the_same_runs_give_the_same_interval() -> None:
    a, b = runs([0.90, 0.95, 0.92]), runs([0.80, 0.85, 0.84], first_seed=50)
    assert compare(a, b) == compare(a, b)


def test_the_sentence_says_verdict_interval_and_runs() -> None:
    text = render_comparison(compare(runs([0.90, 0.95, 0.92]), runs([0.94, 0.91, 0.93, 0.90], first_seed=50)))
    assert text.startswith("connectivity_R2: not distinguishable with 3 and 4 runs, difference +0.003, 95 % interval -")
    assert "more would tell" in text
