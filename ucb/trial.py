"""The trial of one candidate: fresh runs on the baseline's data seeds, and what they say.

A candidate leads by luck as well as by merit, so the runs that made it lead do not count. The test is a paired t test
on seed means at fixed numbers of runs (looks). The error budget of the night is shared out before any of them is made,
so that by Bonferroni's inequality the chance of any false confirmation stays below it whatever is tried, and when.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from state.goal import Goal
from state.metrics import watched
from ucb.compare import LEVEL, Comparison, how_many, show_interval
from ucb.estimates import BASELINE, Estimates
from ucb.shares import Share, bad_share, more_bad
from ucb.variance import Run

Outcome = Literal["confirmed better", "confirmed not worse", "no difference", "undecided", "worse"]

# Runs at which a trial is looked at, with the part of its share of the budget that each look may spend.
LOOKS = ((4, 0.05), (8, 0.7), (12, 0.25))
# A trial is given up after a look with a one-sided p above this; giving up costs no error.
GIVE_UP = {4: 0.5, 8: 0.25}
# How sure a loss must be that vetoes although it has no margin.
SURE = 0.99
# A well recovered run with another metric below this part of the baseline's median got there by another way.
DEGENERATE = 0.5


def looks(seeds: int) -> tuple[tuple[int, float], ...]:
    """(runs, part of the trial's error) of each look, where ``seeds`` data seeds can be had; the parts sum to 1."""
    made = [(runs, part) for runs, part in LOOKS if runs < seeds]
    return (*made, (min(seeds, LOOKS[-1][0]), 1 - sum(part for _, part in made))) if len(made) < len(LOOKS) else LOOKS


def trial_error(budget: float, number: int) -> float:
    """The share of the ``number``-th trial in the night's error ``budget``: 1/2, 1/4, 1/8, ..., in all less than 1.

    What a trial that was given up did not use is not handed on: all trials share the baseline's runs, so that no bound
    would hold for what is handed on.
    """
    return float(budget / 2**number)


@dataclass(frozen=True)
class Look:
    """One look at a trial: how many runs it had, its comparisons by metric, and whether the primary metric passed."""

    runs: int
    error: float
    comparisons: Mapping[str, Comparison]
    bad: Share
    risen: bool
    unkept: tuple[str, ...]
    vetoes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """The primary metric has risen, the others are kept, and nothing speaks against it."""
        return self.risen and not self.unkept and not self.vetoes


@dataclass
class Trial:
    """One candidate under trial. ``tried``: configs among which it led; ``seeds``: the data seeds that are its own."""

    config_id: str
    number: int
    tried: int
    seeds: tuple[int, ...]
    error: float
    expected: dict[int, int] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    outcome: Outcome | None = None

    @property
    def open(self) -> bool:
        """Whether runs are still owed."""
        return self.outcome is None

    @property
    def left(self) -> list[int]:
        """Data seeds not yet given to a run of the trial."""
        used = set(self.expected.values())
        return [seed for seed in self.seeds if seed not in used]

    @property
    def target(self) -> int:
        """Runs at the next look."""
        plan = looks(len(self.seeds))
        return plan[min(len(self.looks), len(plan) - 1)][0]

    @property
    def spent(self) -> float:
        """The error that the looks made so far could have cost."""
        return sum(look.error for look in self.looks)

    def take_look(self, estimates: Estimates, goal: Goal) -> None:
        """Look when the runs are there for it; close the trial when it is decided, given up, or out of data seeds."""
        plan = looks(len(self.seeds))
        if not self.open or len(self.runs) < plan[len(self.looks)][0]:
            return
        due = plan[len(self.looks)]
        look = _look(self.runs, self.error * due[1], estimates, goal)
        self.looks.append(look)
        last = len(self.looks) == len(plan)
        primary = look.comparisons[goal.primary]
        behind = primary.measured and primary.p_above > GIVE_UP.get(due[0], 1.0)
        if look.passed or last or behind or _lost(look, goal):
            self.outcome = "confirmed better" if look.passed else _outcome(look, estimates, goal)


def _look(runs: Sequence[Run], error: float, estimates: Estimates, goal: Goal) -> Look:
    bad, reference = bad_share(runs, estimates.limit), bad_share(estimates.baseline_runs(), estimates.limit)
    found = {metric: estimates.compare_runs(runs, metric, bad.bad + reference.bad) for metric in goal.judged}
    kept = [metric for metric in watched() if metric not in goal.margins]
    vetoes = [f"{metric} lower" for metric in kept if _surely_below(found[metric], 0.0, SURE)]
    if more_bad(bad, reference) < 1 - LEVEL:
        vetoes.append(f"more bad runs: {bad} against {reference}")
    if odd := degenerate(runs, estimates):
        vetoes.append(f"degenerate runs: {', '.join(map(str, odd))}")
    unkept = tuple(metric for metric, margin in goal.margins.items() if not _surely_above(found[metric], -margin))
    risen = found[goal.primary].p_above <= error
    return Look(len(runs), error, found, bad, risen, unkept, tuple(vetoes))


def _surely_above(comparison: Comparison, value: float) -> bool:
    """Whether the one-sided 95 % lower bound lies above ``value``."""
    if comparison.difference is None or not comparison.measured:
        return False
    return comparison.difference - comparison.bound(LEVEL) > value


def _surely_below(comparison: Comparison, value: float, level: float = LEVEL) -> bool:
    """Whether the one-sided upper bound of ``level`` lies below ``value``."""
    if comparison.difference is None or not comparison.measured:
        return False
    return comparison.difference + comparison.bound(level) < value


def _lost(look: Look, goal: Goal) -> bool:
    """Whether a metric has surely lost more than its margin."""
    return any(_surely_below(look.comparisons[metric], -margin) for metric, margin in goal.margins.items())


def _outcome(look: Look, estimates: Estimates, goal: Goal) -> Outcome:
    primary, sd = look.comparisons[goal.primary], estimates.noise(goal.primary).seeds.square ** 0.5
    if _lost(look, goal) or _surely_below(primary, 0.0):
        return "worse"
    if look.unkept or look.vetoes or primary.interval is None:
        return "undecided"
    if max(map(abs, primary.interval)) <= sd:
        return "no difference"
    return "confirmed not worse" if _surely_above(primary, -sd) else "undecided"


def degenerate(runs: Sequence[Run], estimates: Estimates) -> list[int]:
    """Iterations of good connectivity_R2 with another metric undefined or below half the baseline's median."""
    names = ("tau_R2", *watched())
    known = {name: [v for run in estimates.baseline_runs() if (v := run.value(name)) is not None] for name in names}
    floors = {name: DEGENERATE * statistics.median(values) for name, values in known.items() if values}
    return [
        run.iteration
        for run in runs
        if run.metrics is not None
        and (run.value("connectivity_R2") or 0.0) > estimates.limit
        and any((value := run.value(name)) is None or value < floor for name, floor in floors.items())
    ]


def render_trial(trial: Trial, goal: Goal) -> str:
    """Where a trial stands, as one or two sentences with their figures."""
    about = f"{trial.config_id}, best of {trial.tried} tried"
    if trial.open:
        progress = f"{len(trial.runs)} of {trial.target} confirmation runs on the data of {BASELINE} made"
        return f"candidate {about}: {progress}" + (f"; so far {_figures(trial.looks[-1], goal)}" if trial.looks else "")
    look = trial.looks[-1]
    return f"{about}: {_words(trial, look, goal)} by {look.runs} fresh runs; {_figures(look, goal)}"


def _words(trial: Trial, look: Look, goal: Goal) -> str:
    primary = look.comparisons[goal.primary]
    if trial.outcome == "no difference" and primary.interval is not None:
        return f"no difference above {max(map(abs, primary.interval)):.3f}"
    if trial.outcome == "undecided":
        more = primary.more_seeds
        return "undecided" + (f", needs {how_many(more)} more data seeds" if more is not None else "")
    return str(trial.outcome)


def _figures(look: Look, goal: Goal) -> str:
    primary = look.comparisons[goal.primary]
    parts = [f"{goal.primary} {_gap(primary)}", f"p = {primary.p_above:.2g} where {look.error:.2g} is allowed"]
    parts += [
        f"{metric} {_gap(look.comparisons[metric])} ({'not shown to be kept' if metric in look.unkept else 'kept'})"
        for metric in goal.margins
    ]
    return "; ".join([*parts, str(look.bad), *look.vetoes])


def _gap(comparison: Comparison) -> str:
    if comparison.difference is None:
        return "not measured"
    if comparison.interval is None:
        return f"{comparison.difference:+.3f} ({comparison.reason})"
    return f"{comparison.difference:+.3f} over {comparison.pairs} pairs, {show_interval(comparison)}"
