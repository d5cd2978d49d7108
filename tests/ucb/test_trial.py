"""Trials: looks, error budget, and every way in which they can end."""

from __future__ import annotations

import numpy as np
import pytest

from state.goal import Goal
from ucb.estimates import Estimates
from ucb.table import VarianceTable
from ucb.trial import LOOKS, Trial, degenerate, looks, render_trial, trial_error
from ucb.variance import Run

GOAL = Goal()
SEEDS = tuple(range(12))
NOISE = 0.02


def run(config: str, n: int, seed: int, rng: np.random.Generator, **shifts: float) -> Run:
    """A run whose metrics vary by the data seed and by training."""
    data = np.random.default_rng(seed).normal(0, 0.03, 3)
    conn, vrest, tau = np.array([0.92, 0.5, 0.95]) + data * [1, 1, 0.2] + rng.normal(0, NOISE, 3) * [1, 1, 0.2]
    metrics = {"connectivity_R2": conn, "V_rest_R2": vrest, "tau_R2": tau, "test_R2": 0.9, "test_pearson": 0.9}
    metrics["test_R2"] += rng.normal(0, NOISE)
    metrics["test_pearson"] += rng.normal(0, NOISE)
    return Run(config, n, seed, n, {name: float(value + shifts.get(name, 0.0)) for name, value in metrics.items()})


def trial_of(count: int, error: float = 0.025, **shifts: float) -> tuple[Trial, Estimates]:
    """A trial with ``count`` fresh runs, beside a baseline of 12 runs on the same data."""
    rng, table = np.random.default_rng(4), VarianceTable()
    for seed in SEEDS:
        table.add(run("C1", seed + 1, seed, rng))
    trial = Trial("C2", 1, 9, SEEDS, error)
    trial.runs = [run("C2", 20 + seed, seed, rng, **shifts) for seed in SEEDS[:count]]
    trial.expected = {one.iteration: one.simulation_seed for one in trial.runs}
    estimates = Estimates(table, 12)
    estimates.changed([trial.runs])
    return trial, estimates


def played(count: int, **shifts: float) -> Trial:
    """The trial after all its looks at ``count`` runs."""
    trial, estimates = trial_of(count, **shifts)
    runs, trial.runs = trial.runs, []
    for one in runs:
        if trial.open:
            trial.runs.append(one)
            estimates.changed([trial.runs])
            trial.take_look(estimates, GOAL)
    return trial


def test_the_parts_of_all_looks_make_one_share() -> None:
    for seeds in range(3, 15):
        plan = looks(seeds)
        assert sum(part for _, part in plan) == pytest.approx(1.0)
        assert plan[-1][0] == min(seeds, LOOKS[-1][0])
    assert looks(12) == LOOKS


def test_no_number_of_trials_spends_the_budget() -> None:
    shares = [trial_error(0.05, number) for number in range(1, 50)]
    assert shares[:3] == [0.025, 0.0125, 0.00625]
    assert sum(shares) < 0.05 or sum(shares) == pytest.approx(0.05)


def test_a_clear_gain_is_confirmed_at_a_look_and_not_between() -> None:
    trial = played(8, V_rest_R2=0.06)
    assert trial.outcome == "confirmed better"
    assert [look.runs for look in trial.looks] in ([4], [4, 8])
    assert trial.looks[-1].comparisons["V_rest_R2"].pairs == len(trial.runs)
    assert played(3, V_rest_R2=0.3).looks == []
    assert "confirmed better by" in render_trial(trial, GOAL)


def test_a_gain_that_costs_connectivity_is_no_gain() -> None:
    trial = played(12, V_rest_R2=0.08, connectivity_R2=-0.09)
    assert trial.outcome == "worse"
    assert "connectivity_R2" in trial.looks[-1].unkept


def test_a_loss_on_a_watched_metric_vetoes() -> None:
    trial = played(12, V_rest_R2=0.08, test_pearson=-0.1)
    assert trial.outcome != "confirmed better"
    assert trial.looks[-1].risen
    assert trial.looks[-1].vetoes == ("test_pearson lower",)


def test_what_is_behind_after_four_runs_is_given_up() -> None:
    trial = played(12, V_rest_R2=-0.05)
    assert len(trial.runs) == 4
    assert trial.outcome in ("worse", "undecided")


def test_more_bad_runs_veto_a_gain_of_the_good_ones() -> None:
    trial, estimates = trial_of(8, V_rest_R2=0.1)
    trial.runs = [
        one if n < 4 else Run("C2", one.iteration, one.simulation_seed, n, None) for n, one in enumerate(trial.runs)
    ]
    estimates.changed([trial.runs])
    trial.take_look(estimates, GOAL)
    look = trial.looks[0]
    assert (look.bad.bad, look.bad.runs) == (4, 8)
    assert any("more bad runs" in veto for veto in look.vetoes)
    assert not look.passed


def test_runs_of_one_good_metric_alone_are_flagged() -> None:
    trial, estimates = trial_of(4, V_rest_R2=0.1)
    odd = trial.runs[1]
    assert degenerate(trial.runs, estimates) == []
    broken = Run("C2", odd.iteration, odd.simulation_seed, 1, {**(odd.metrics or {}), "test_R2": 0.1})
    undefined = Run("C2", 99, odd.simulation_seed, 1, {**(odd.metrics or {}), "tau_R2": None})
    assert degenerate([trial.runs[0], broken, undefined], estimates) == [odd.iteration, 99]


def test_equal_configs_end_without_a_winner_and_say_how_equal() -> None:
    trial = played(12)
    assert trial.outcome in ("no difference", "confirmed not worse", "undecided")
    assert "p = " in render_trial(trial, GOAL)
