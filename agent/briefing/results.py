"""What each config of a run came to in the terms of the campaign's goal: the history that a sampler is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

from agent.briefing.slot_view import explored_values
from agent.ledger.ledger import Ledger
from prompts.context import ConfigResult
from state.config import Scalar
from state.goal import Goal
from state.records import CONTROL_ROLE
from ucb.estimates import BASELINE
from ucb.table import VarianceTable
from ucb.variance import Run

# What a failed run counts as, unless another run was worse.
FAILED = 0.0


def results(ledger: Ledger, table: VarianceTable) -> list[ConfigResult]:
    """Every config of ``table``, in the order of its first run."""
    goal = ledger.campaign.goal
    known = {name: table[name].runs for name in table.names()}
    floors = {metric: _worst(known, metric) for metric in (goal.primary, *goal.margins)}
    means = {name: {m: _mean(some, m, floor) for m, floor in floors.items()} for name, some in known.items()}
    return [_result(ledger, name, some, means[name], means.get(BASELINE, {})) for name, some in known.items()]


def hopeless(ledger: Ledger, control: bool = False) -> list[dict[str, Scalar]]:
    """The explored values of each config of which a run was cut, and no other has come to an end.

    ``control``: those of the control arm, else those of the night's own explorer.
    """
    runs = (ledger.history.iterations[node] for node in ledger.views.hopeless.values())
    mine = [iteration for iteration in runs if (iteration.planned.role == CONTROL_ROLE) == control]
    return [explored_values(ledger, ledger.views.config(iteration)) for iteration in mine]


def _worst(runs: Mapping[str, Sequence[Run]], metric: str) -> float:
    measured = (run.value(metric) for some in runs.values() for run in some if run.metrics is not None)
    return min([FAILED, *(value for value in measured if value is not None)])


def _mean(runs: Sequence[Run], metric: str, floor: float) -> float:
    """Over data seeds, the runs on each of them averaged; a failed run, or an undefined value, is ``floor``."""
    by_seed: dict[int, list[float]] = defaultdict(list)
    for run in runs:
        value = None if run.metrics is None else run.value(metric)
        by_seed[run.simulation_seed].append(floor if value is None else value)
    return fmean(map(fmean, by_seed.values()))


def _result(
    ledger: Ledger, name: str, runs: Sequence[Run], means: Mapping[str, float], base: Mapping[str, float]
) -> ConfigResult:
    goal, nodes = ledger.campaign.goal, sorted((run.iteration for run in runs), reverse=True)
    config = ledger.views.config(ledger.history.iterations[nodes[0]])
    return ConfigResult(
        config_id=name,
        nodes=nodes,
        values=explored_values(ledger, config),
        score=means[goal.primary],
        data_seeds=len({run.simulation_seed for run in runs}),
        losses=_losses(goal, means, base),
        minutes=ledger.views.times.predict(config),
    )


def _losses(goal: Goal, means: Mapping[str, float], base: Mapping[str, float]) -> dict[str, float]:
    """How far each metric lies below the baseline's mean less its margin; 0 or below where it is kept."""
    return {metric: base[metric] - margin - means[metric] for metric, margin in goal.margins.items() if metric in base}
