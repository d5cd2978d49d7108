"""Spreads, classes, scores and the enough-replicates rule of one config."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.metrics import METRICS
from state.records import TrajectoryPoint
from tests.ucb.strategies import failed_result, planned, result
from ucb.trajectory import pattern
from ucb.variance import (
    ConfigStats,
    Run,
    bootstrap_cv_std,
    next_config_id,
    run_from,
    spread,
    training_spread,
)

GOOD = {"connectivity_R2": 0.95, "tau_R2": 0.97, "V_rest_R2": 0.6, "cluster_accuracy": 0.88}


def run(seed: int = 1, training: int = 1, **metrics: float | None) -> Run:
    """A run with good metrics, but for those given."""
    return Run("C1", seed, seed, training, dict.fromkeys(METRICS, 0.5) | GOOD | metrics)


def failure(seed: int = 1) -> Run:
    return Run("C1", seed, seed, 1, None)


def stats_of(*runs: Run) -> ConfigStats:
    return ConfigStats("C1", runs)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=20))
def test_spread_is_the_textbook_one(values: list[float]) -> None:
    found = spread(values)
    assert found.mean == pytest.approx(statistics.mean(values))
    assert found.std == pytest.approx(statistics.stdev(values), abs=1e-12)
    assert found.cv == pytest.approx(statistics.stdev(values) / statistics.mean(values), abs=1e-12)
    assert found.min == min(values)


def test_what_is_undefined_is_none() -> None:
    assert spread([]).mean is None
    assert (spread([0.5]).mean, spread([0.5]).std, spread([0.5]).cv) == (0.5, None, None)
    assert spread([0.0, 0.0]).cv is None


def test_a_failed_run_counts_as_zero_and_an_undefined_metric_not_at_all() -> None:
    stats = stats_of(run(1), failure(2), run(3, tau_R2=None))
    assert stats.spreads["connectivity_R2"].n == 3
    assert stats.spreads["connectivity_R2"].min == 0.0
    assert stats.spreads["tau_R2"].n == 2
    assert stats.failed == 1
    assert stats.robustness == "fragile"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "robust"),
        ({"connectivity_R2": 0.9}, "undecided"),
        ({"tau_R2": 0.89}, "undecided"),
        ({"V_rest_R2": 0.4}, "undecided"),
        ({"V_rest_R2": 0.2}, "fragile"),
        ({"cluster_accuracy": 0.8}, "undecided"),
        ({"cluster_accuracy": 0.3}, "fragile"),
        ({"V_rest_R2": None}, "robust"),
    ],
)
def test_class(change: dict[str, float | None], expected: str) -> None:
    assert stats_of(run(1), run(2), run(3), run(4, **change)).robustness == expected


def test_one_run_or_a_metric_measured_once_decides_nothing() -> None:
    assert stats_of(run()).robustness == "undecided"
    assert stats_of(run(1), run(2, tau_R2=None)).robustness == "undecided"
    assert stats_of(failure(1), failure(2), failure(3)).robustness == "fragile"


def test_class_and_rank_are_over_data_seeds() -> None:
    on_one = [run(1, training) for training in range(5)]
    assert (stats_of(*on_one).robustness, stats_of(*on_one).ranked, stats_of(*on_one).enough) == (
        "undecided",
        False,
        False,
    )
    # Two runs on one data seed are one value: 0.9 and 1.0 against 0.95 and 0.95 do not vary.
    pair = [run(1, 1, connectivity_R2=0.91), run(1, 2, connectivity_R2=0.99)]
    stats = stats_of(*pair, run(2), run(3))
    assert stats.units["connectivity_R2"] == pytest.approx([0.95, 0.95, 0.95])
    assert stats.unit_spreads["connectivity_R2"].std == pytest.approx(0.0, abs=1e-9)
    assert stats.unit_spreads["connectivity_R2"].min == 0.91


def test_runs_of_the_first_release_are_classed_over_runs() -> None:
    first = ConfigStats("C1", tuple(run(1, training) for training in range(3)), format=1)
    assert (first.robustness, first.ranked) == ("robust", True)
    assert first.score == pytest.approx(0.95 + 0.5 * 0.6)


def test_score_is_mean_times_one_minus_cv() -> None:
    stats = stats_of(
        *(run(i, connectivity_R2=c, V_rest_R2=v) for i, (c, v) in enumerate([(0.9, 0.4), (0.94, 0.6), (0.95, 0.5)]))
    )
    conn, vrest = stats.spreads["connectivity_R2"], stats.spreads["V_rest_R2"]
    assert conn.mean is not None
    assert conn.cv is not None
    assert vrest.mean is not None
    assert vrest.cv is not None
    assert stats.score == pytest.approx(conn.mean * (1 - conn.cv) + 0.5 * vrest.mean * (1 - vrest.cv))
    assert stats.ranked
    assert not stats_of(run(1), run(2)).ranked


def test_bootstrap_is_repeatable_and_close_to_theory() -> None:
    values = np.random.default_rng(1).normal(1.0, 0.1, 50).tolist()
    found = bootstrap_cv_std(values)
    assert found == bootstrap_cv_std(values)
    # Large-sample std of the CV of normal values: CV sqrt(1/(2n) + CV^2/n).
    assert found == pytest.approx(0.1 * (1 / 100 + 0.01 / 50) ** 0.5, rel=0.3)
    assert bootstrap_cv_std([0.9]) is None
    assert bootstrap_cv_std([0.0, 0.0, 0.0]) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.95, 0.95, 0.96], False), ([0.95, 0.95, 0.96, 0.94], True), ([0.95, 0.5, 0.96, 0.95], False)],
)
def test_enough_replicates(values: list[float], expected: bool) -> None:
    assert stats_of(*(run(i, connectivity_R2=value) for i, value in enumerate(values))).enough is expected


def test_not_enough_while_the_class_is_open() -> None:
    stats = stats_of(*(run(i, tau_R2=0.85) for i in range(6)))
    assert stats.cv_std == pytest.approx(0.0)
    assert not stats.enough


def test_training_spread_pools_within_simulation_seeds() -> None:
    runs = [
        run(1, 1, tau_R2=0.90),
        run(1, 2, tau_R2=0.94),
        run(2, 1, tau_R2=0.50),
        run(2, 2, tau_R2=0.54),
        run(3, tau_R2=0.1),
    ]
    found = training_spread(runs, "tau_R2")
    assert found.n == 4
    assert found.std == pytest.approx((0.0008) ** 0.5)
    assert training_spread([run(1), run(2)], "tau_R2").std is None
    stats = stats_of(*runs)
    assert (stats.simulation_seeds, stats.training_seeds) == (3, 2)


def test_config_names_follow_first_use() -> None:
    known: dict[str, str] = {}
    for identity in ("a", "b", "a", "c"):
        known.setdefault(identity, next_config_id(list(known.values())))
    assert known == {"a": "C1", "b": "C2", "c": "C3"}


def test_run_from_a_result_tells_how_conn_and_vrest_moved() -> None:
    rows = [("joint", 0.9, 0.1), ("V_rest", 0.85, 0.3)]
    trajectory = [
        TrajectoryPoint(epoch=0, iteration=i, connectivity_r2=c, vrest_r2=v, tau_r2=0.5, phase=p)  # type: ignore[arg-type]
        for i, (p, c, v) in enumerate(rows)
    ]
    found = run_from(planned(), result(0.85).model_copy(update={"trajectory": trajectory}), pattern(trajectory))
    assert (found.conn_held, found.vrest_word, found.config_id) == (False, "rises", "C2")
    lost = run_from(planned(), failed_result(), pattern([]))
    assert (lost.metrics, lost.conn_held, lost.vrest_word, lost.value("tau_R2")) == (None, None, None, 0.0)
