"""The facts about configs and nodes that a prompt shows."""

from __future__ import annotations

from collections.abc import Mapping

from agent.briefing.slot_view import explored_values
from agent.ledger.ledger import Ledger
from agent.ledger.standing import standing
from prompts.context import ConfigView, Demand, NodeView
from state.config import Scalar
from ucb.estimates import BASELINE
from ucb.log_tree import departures
from ucb.score import Score
from ucb.variance import ConfigStats

# Limits that keep prompts equally long, however many batches there have been.
SHOWN_CONFIGS = 20
SHOWN_SEEDS = 6


def config_views(ledger: Ledger, demand: Demand) -> list[ConfigView]:
    """Those at the top of the variance table, the baseline, and those that the next batch may be asked to run."""
    table = ledger.views.table
    shown = table.top(SHOWN_CONFIGS)
    always = [BASELINE] if BASELINE in table else []
    if ledger.campaign.format > 1:
        always += [one.config_id for one in ledger.views.confirmations.owed()]
        always += [one.config_id for one in demand.short]
    for name in always:
        if all(stats.config_id != name for stats in shown):
            shown.append(table[name])
    return [_config_view(ledger, stats) for stats in shown]


def _config_view(ledger: Ledger, stats: ConfigStats) -> ConfigView:
    """Made anew only when its config has run again; most configs of a prompt have not."""
    name, views = stats.config_id, ledger.views
    known = ledger.views.shown.get(stats.config_id)
    if known is None or known[0] is not stats:
        known = ledger.views.shown[stats.config_id] = (stats, _make_config_view(ledger, stats, views.latest_node[name]))
    if ledger.campaign.format == 1:
        return known[1]
    # These move with runs of other configs, so they are never those of an earlier prompt.
    moving = {
        "bad": str(views.estimates.share(name)),
        "standing": standing(views, name),
        "minutes": _minutes(ledger, known[1].node),
    }
    return known[1].model_copy(update=moving)


def own_view(ledger: Ledger, stats: ConfigStats) -> ConfigView:
    """The view of a config by the runs of ``stats`` alone; what only the whole night knows is left out."""
    return _make_config_view(ledger, stats, stats.runs[-1].iteration)


def _make_config_view(ledger: Ledger, stats: ConfigStats, node: int) -> ConfigView:
    values = explored_values(ledger, ledger.views.config(ledger.history.iterations[node]))
    return ConfigView(
        config_id=stats.config_id,
        runs=len(stats.runs),
        node=node,
        mean={name: spread.mean for name, spread in stats.spreads.items()},
        std={name: spread.std for name, spread in stats.spreads.items()},
        rank=stats.score if stats.ranked else None,
        robust=stats.robustness,
        enough=stats.enough,
        cv_std=stats.cv_std if stats.simulation_seeds >= ledger.campaign.thresholds.enough_runs else None,
        simulation_seeds=_latest_seeds(stats),
        data_seeds=stats.simulation_seeds,
        minutes=_minutes(ledger, node) if ledger.campaign.format == 1 else None,
        changes=_changes(ledger, values),
        values=values,
    )


def _minutes(ledger: Ledger, node: int) -> float | None:
    """What a run of the config of ``node`` is predicted to take now."""
    return ledger.views.times.predict(ledger.views.config(ledger.history.iterations[node]))


def config_changes(ledger: Ledger, config_id: str) -> dict[str, Scalar]:
    """Explorable key -> value where a config departs from the defaults."""
    node = ledger.views.latest_node[config_id]
    values = explored_values(ledger, ledger.views.config(ledger.history.iterations[node]))
    return _changes(ledger, values)


def _changes(ledger: Ledger, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return departures(ledger.campaign.base_config().flat(), values)


def _latest_seeds(stats: ConfigStats) -> list[int]:
    return list(dict.fromkeys(run.simulation_seed for run in stats.runs))[-SHOWN_SEEDS:]


def node_view(ledger: Ledger, score: Score) -> NodeView:
    """The view of a node of the block, with its score."""
    iteration = ledger.history.iterations[score.node]
    assert iteration.result is not None
    config = ledger.views.config(iteration)
    return NodeView(
        node=score.node,
        parent=score.parent,
        config_id=iteration.planned.config_id,
        ucb=score.ucb,
        visits=score.visits,
        reward=score.connectivity_R2 or 0.0,
        mutation=score.mutation,
        pattern=ledger.views.patterns[score.node],
        minutes=ledger.views.times.predict(config),
        values=explored_values(ledger, config),
    )
