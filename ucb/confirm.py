"""Candidates and confirmations of a night, folded from its runs: who leads, who is under trial, what is owed.

A config leads when it has data seeds enough and lies ahead of the baseline; it becomes a candidate with the first run
that is planned for its trial, and has then used up one share of the night's error budget. One trial at a time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from state.goal import Goal
from state.records import Planned
from ucb.compare import MIN_SEEDS
from ucb.estimates import BASELINE, POOLED_TRIALS, Estimates
from ucb.table import VarianceTable
from ucb.trial import Trial, trial_error
from ucb.untried import Untried
from ucb.variance import Run

REPEATS = ("replicate", "fallback")
# A leader must lie this many standard errors ahead: every trial in vain makes the test of the next one harder.
LEAD = 1.0
OFFERED = 3


@dataclass(frozen=True)
class Leader:
    """A config that may go on trial: how far its primary metric lies ahead of the baseline, in standard errors."""

    config_id: str
    lead: float
    seeds: tuple[int, ...]


@dataclass
class Confirmations:
    """Fold over `batch_planned` (`plan`), results (`take`) and whole batches (`decide`)."""

    goal: Goal
    estimates: Estimates
    table: VarianceTable
    baseline_runs: int
    trials: list[Trial] = field(default_factory=list)
    leaders: list[Leader] = field(default_factory=list)
    _lost: int = 0  # of the baseline's first runs
    _trial_of: dict[str, Trial] = field(default_factory=dict)
    _best: Trial | None = None
    _spent: list[float] = field(default_factory=list)  # of each trial that is over

    def __post_init__(self) -> None:
        # With data seeds enough to lead.
        self._untried = Untried(lambda name: self.estimates.cells(name, self.goal.primary).mean)

    @property
    def open(self) -> Trial | None:
        """The trial in hand."""
        return self.trials[-1] if self.trials and self.trials[-1].open else None

    @property
    def best(self) -> Trial | None:
        """The confirmed config with the highest primary metric in its trial; None while the baseline is the best."""
        return self._best

    def of(self, config_id: str) -> Trial | None:
        """The trial of a config."""
        return self._trial_of.get(config_id)

    @property
    def spent(self) -> float:
        """The error that all looks so far could have cost."""
        return sum([*self._spent, *([] if self.open is None else [self.open.spent])])

    def owed(self) -> list[Leader]:
        """The configs that confirmation runs may be made of now, with their data seeds in order of use."""
        if (trial := self.open) is not None:
            return [Leader(trial.config_id, 0.0, tuple(trial.left))] if trial.left else []
        return self.leaders[:OFFERED]

    def plan(self, batch: Sequence[Planned]) -> None:
        """Take in a planned batch: it may begin a trial, or hold runs of the one in hand."""
        if self.open is None and self.leaders:
            self._begin(batch)
        trial = self.open
        for planned in batch if trial is not None else ():
            assert trial is not None
            if _is_of(planned, trial.config_id, trial.left):
                trial.expected[planned.iteration] = planned.simulation_seed

    def _begin(self, batch: Sequence[Planned]) -> None:
        chosen = Counter(
            leader.config_id for leader in self.leaders for one in batch if _is_of(one, leader.config_id, leader.seeds)
        )
        if not chosen:
            return
        leader = max(self.leaders, key=lambda leader: chosen[leader.config_id])
        number = len(self.trials) + 1
        error = trial_error(self.goal.error_budget, number)
        self._untried.remove(leader.config_id)
        trial = Trial(leader.config_id, number, len(self.table), leader.seeds, error)
        self.trials.append(trial)
        self._trial_of.setdefault(trial.config_id, trial)

    def take(self, run: Run) -> None:
        """Take in a finished run that the table has already taken."""
        if (trial := self.open) is not None and run.iteration in trial.expected:
            trial.runs.append(run)
        name = run.config_id
        if name != BASELINE and self.of(name) is None and self.table[name].simulation_seeds >= MIN_SEEDS:
            self._untried.changed(name)
        latest = list(islice((trial.runs for trial in reversed(self.trials) if trial.runs), POOLED_TRIALS))
        self.estimates.changed(latest[::-1])

    def lose(self, planned: Planned, number: int) -> None:
        """A planned run will never be: its data seed is free again, and the baseline's runs are one fewer.

        ``number`` counts the runs of this night: its iterations may begin behind imported ones.
        """
        for trial in self.trials:
            trial.expected.pop(planned.iteration, None)
        if planned.config_id == BASELINE and number <= self.baseline_runs + self._lost:
            self._lost += 1

    def decide(self) -> None:
        """A batch has finished: look at the trial in hand, and see who leads."""
        if (trial := self.open) is not None:
            trial.take_look(self.estimates, self.goal)
            if not trial.open:
                self._close(trial)
        self.leaders = [] if self.open else self._leaders()

    def _close(self, trial: Trial) -> None:
        self._spent.append(trial.spent)
        won = trial.outcome == "confirmed better"
        if won and (self._best is None or self._gain(trial) > self._gain(self._best)):
            self._best = trial

    def _leaders(self) -> list[Leader]:
        """Configs that lead, the surest first."""
        if BASELINE not in self.table or len(self.table[BASELINE].runs) < self.baseline_runs - self._lost:
            return []
        base = self.estimates.cells(BASELINE, self.goal.primary)
        sd = self.estimates.noise(self.goal.primary).seeds.square ** 0.5
        if base.mean is None or base.seeds < MIN_SEEDS or not sd:
            return []
        best = self.best
        floor = base.mean if best is None else base.mean + self._gain(best)
        # Nobody below this mean lies LEAD standard errors ahead, on however many data seeds.
        least = base.mean + LEAD * sd / math.sqrt(base.seeds)
        names = list(self._untried.above(least, self.estimates.limit))
        found = [self._leader(name, base.mean, base.seeds, sd, floor) for name in names]
        return sorted((one for one in found if one is not None), key=lambda one: (-one.lead, one.config_id))

    def _leader(self, name: str, base: float, base_seeds: int, sd: float, floor: float) -> Leader | None:
        cells = self.estimates.cells(name, self.goal.primary)
        if cells.mean is None or cells.seeds < MIN_SEEDS or (floor > base and cells.mean <= floor):
            return None
        lead = (cells.mean - base) / (sd * math.sqrt(1 / cells.seeds + 1 / base_seeds))
        if lead < LEAD or not self._keeps(name):
            return None
        seeds = self._free_seeds(name)
        return Leader(name, lead, seeds) if len(seeds) >= MIN_SEEDS else None

    def _keeps(self, name: str) -> bool:
        """Whether no other metric lies below the baseline by more than its margin."""
        for metric, margin in self.goal.margins.items():
            mine, base = self.estimates.cells(name, metric).mean, self.estimates.cells(BASELINE, metric).mean
            if mine is None or base is None or mine < base - margin:
                return False
        return True

    def _free_seeds(self, name: str) -> tuple[int, ...]:
        """The baseline's data seeds that are new to the config, those first on which the baseline recovered well."""
        ran = {run.simulation_seed for run in self.table[name].runs}
        good = self.estimates.cells(BASELINE, "connectivity_R2").values
        seeds = dict.fromkeys(run.simulation_seed for run in self.estimates.baseline_runs())
        free = [seed for seed in seeds if seed not in ran]
        return tuple(sorted(free, key=lambda seed: seed not in good))

    def _gain(self, trial: Trial) -> float:
        return trial.looks[-1].comparisons[self.goal.primary].difference or 0.0


def _is_of(planned: Planned, config_id: str, seeds: Sequence[int]) -> bool:
    """Whether a planned run is a confirmation run of ``config_id``."""
    return planned.role in REPEATS and planned.config_id == config_id and planned.simulation_seed in seeds
