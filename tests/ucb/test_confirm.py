"""Who leads, who goes on trial, which runs count, and what is owed."""

from __future__ import annotations

from state.goal import Goal
from state.records import Planned, Role
from ucb.confirm import Confirmations
from ucb.estimates import Estimates
from ucb.table import VarianceTable
from ucb.variance import Run

BASELINE = (0.50, 0.52, 0.48, 0.51, 0.49, 0.50)


class Story:
    """Batches of runs of given V_rest_R2, as the journal would tell them."""

    def __init__(self) -> None:
        self.table = VarianceTable()
        self.found = Confirmations(Goal(), Estimates(self.table, len(BASELINE)), self.table, len(BASELINE))
        self.iteration = 0
        self.batch([("C1", seed, value) for seed, value in enumerate(BASELINE, 1)], "baseline")

    def batch(self, runs: list[tuple[str, int, float | None]], role: Role = "replicate") -> None:
        first = self.iteration + 1
        self.found.plan([self.planned(first + n, config, seed, role) for n, (config, seed, _) in enumerate(runs)])
        for config, seed, value in runs:
            self.iteration += 1
            good = {"connectivity_R2": 0.95, "tau_R2": 0.97, "test_R2": 0.9, "test_pearson": 0.9}
            metrics = None if value is None else good | {"V_rest_R2": value}
            # A little of its own for each run: metrics that do not vary cannot be judged.
            metrics = metrics and {name: v + 0.001 * ((7 * self.iteration) % 5) for name, v in metrics.items()}
            run = Run(config, self.iteration, seed, self.iteration, metrics)
            self.table.add(run)
            self.found.take(run)
        self.found.decide()

    def planned(self, n: int, config: str, seed: int, role: Role) -> Planned:
        texts = dict.fromkeys(("run_id", "mutation", "parent_rule", "hypothesis", "config", "config_hash"), "")
        return Planned(
            iteration=n,
            batch=1,
            slot=0,
            parent=1,
            role=role,
            simulation_seed=seed,
            training_seed=n,
            seed_rationale="different-data-generalization",
            config_id=config,
            **texts,
        )

    def lead(self, config: str, first_seed: int, value: float = 0.55) -> None:
        self.batch([(config, first_seed + n, value + 0.01 * n) for n in range(3)])


def test_a_config_leads_from_three_data_seeds_on_and_not_by_repeats() -> None:
    story = Story()
    story.batch([("C2", 50, 0.6), ("C2", 50, 0.61), ("C2", 50, 0.6), ("C2", 51, 0.6)])
    assert story.found.leaders == []
    story.batch([("C2", 52, 0.6)])
    assert [leader.config_id for leader in story.found.leaders] == ["C2"]


def test_nothing_leads_that_is_not_ahead_or_loses_connectivity() -> None:
    story = Story()
    story.lead("C2", 50, 0.45)
    assert story.found.leaders == []


def test_a_leader_is_owed_the_baselines_data_and_its_choice_is_free() -> None:
    story = Story()
    story.lead("C2", 50, 0.55)
    story.lead("C3", 60, 0.58)
    assert [leader.config_id for leader in story.found.owed()] == ["C3", "C2"]
    assert story.found.owed()[0].seeds == (1, 2, 3, 4, 5, 6)
    story.batch([("C2", 1, 0.56), ("C2", 2, 0.56)])
    assert story.found.open is not None
    assert story.found.open.config_id == "C2"
    assert [(one.config_id, one.seeds) for one in story.found.owed()] == [("C2", (3, 4, 5, 6))]


def test_only_replicates_on_the_owed_data_made_afterwards_count() -> None:
    story = Story()
    story.lead("C2", 50)
    story.batch([("C2", 1, 0.56), ("C2", 77, 0.9), ("C3", 2, 0.9), ("C2", 1, 0.9)])
    trial = story.found.open
    assert trial is not None
    assert [run.simulation_seed for run in trial.runs] == [1]
    story.batch([("C2", 2, 0.9)], role="exploit")
    assert len(trial.runs) == 1


def test_a_failed_confirmation_run_counts_as_a_run() -> None:
    story = Story()
    story.lead("C2", 50)
    story.batch([("C2", seed, None if seed == 2 else 0.6) for seed in (1, 2, 3, 4)])
    look = story.found.trials[0].looks[0]
    assert (look.runs, look.bad.bad) == (4, 1)
    assert look.comparisons["V_rest_R2"].pairs == 3


def test_a_trial_is_confirmed_by_its_own_runs_and_the_next_must_beat_it() -> None:
    story = Story()
    story.lead("C2", 50)
    story.batch([("C2", seed, BASELINE[seed - 1] + 0.1) for seed in range(1, 7)])
    best = story.found.best
    assert best is not None
    assert (best.config_id, story.found.open) == ("C2", None)
    story.lead("C3", 60, 0.55)
    assert story.found.leaders == []
    story.lead("C4", 70, 0.75)
    assert [leader.config_id for leader in story.found.leaders] == ["C4"]


def test_a_config_is_tried_once_and_the_error_stays_below_the_budget() -> None:
    story = Story()
    story.lead("C2", 50)
    story.batch([("C2", seed, 0.40) for seed in range(1, 5)])
    assert story.found.trials[0].outcome is not None
    assert story.found.trials[0].outcome != "confirmed better"
    story.batch([("C2", 90 + n, 0.9) for n in range(6)])
    assert story.found.leaders == []
    assert 0 < story.found.spent < 0.05
