"""What a prompt shows of one finished slot."""

from __future__ import annotations

from itertools import groupby

from agent.ledger.ledger import Ledger
from agent.ledger.policy import slot_minutes
from prompts.context import CurveView, PhaseView, SlotView
from state.config import Scalar, SlotConfig
from state.history import Iteration
from state.metrics import Trace, recorded, traced
from state.records import SlotResult, TrajectoryPoint
from ucb.shares import is_bad
from ucb.trajectory import Moves, PatternReport, curve, peak

SHOWN_PHASES = 12
STDERR_END = 800
LONGEST_FAILURE = 400

# Figures of `result.json` that tell how a metric came about: weights before their correction, over the sources that
# ever send, one step ahead, over neurons that move, and the size of the largest eigenvalue.
FURTHER = (
    "raw_W_R2",
    "connectivity_R2_active",
    "onestep_pearson",
    "test_pearson_moving",
    "spectral_radius",
    "spectral_radius_true",
)


def slot_view(ledger: Ledger, iteration: Iteration) -> SlotView:
    """The view of a finished or failed ``iteration``."""
    planned, result = iteration.planned, iteration.result
    assert result is not None
    minutes, limit = slot_minutes(result, ledger.campaign.format), ledger.campaign.policy.time_limit_min
    stderr = iteration.artifacts.get("stderr")
    report = ledger.views.reports[planned.iteration]
    followed = _followed(ledger, result.trajectory)
    return SlotView(
        slot=planned.slot,
        iteration=planned.iteration,
        parent=planned.parent,
        role=planned.role,
        config_id=planned.config_id,
        parent_config_id=parent_config_id(ledger, planned.parent),
        changes=planned.changes,
        mutation=planned.mutation,
        parent_rule=planned.parent_rule,
        hypothesis=planned.hypothesis,
        simulation_seed=planned.simulation_seed,
        training_seed=planned.training_seed,
        seed_rationale=planned.seed_rationale,
        status=ledger.views.status(result),
        pattern=report.pattern,
        usual=_usual(ledger, planned.config_id, report.pattern),
        bad=_bad(ledger, planned.config_id, planned.iteration),
        metrics=recorded(result.metrics),
        missing=result.missing,
        further={name: result.extra[name] for name in FURTHER if name in result.extra},
        curves={} if result.failure else _curves(ledger, result, report, followed),
        phases=[] if result.failure else _phases(result.trajectory, followed),
        minutes=minutes,
        over_time=minutes is not None and minutes > limit,
        failure=result.failure
        and result.failure.model_copy(update={"message": result.failure.message[:LONGEST_FAILURE]}),
        stderr=ledger.blobs.text(stderr)[-STDERR_END:].strip() if stderr else "",
        values=explored_values(ledger, ledger.views.config(iteration)),
    )


def _usual(ledger: Ledger, config_id: str, pattern: str) -> bool:
    """Whether at least half the earlier runs of the config, and two of them, had this pattern."""
    runs = ledger.views.table_of(config_id)[config_id].runs[-SHOWN_PHASES - 1 : -1]
    same = sum(ledger.views.patterns[run.iteration] == pattern for run in runs)
    return same >= 2 and 2 * same >= len(runs)


def _bad(ledger: Ledger, config_id: str, iteration: int) -> bool:
    run = ledger.views.table_of(config_id).run(config_id, iteration)
    return run is not None and is_bad(run, ledger.views.estimates.limit)


def _curves(
    ledger: Ledger, result: SlotResult, report: PatternReport, followed: dict[str, Trace]
) -> dict[str, CurveView]:
    moves = {"connectivity_R2": report.conn, "V_rest_R2": report.vrest, "tau_R2": report.tau}
    curves = {}
    for name, trace in followed.items():
        shape = curve(result.trajectory, trace.column, ledger.campaign.thresholds)
        top = peak(result.trajectory, trace.column)
        curves[name] = CurveView(
            peak=shape.peak,
            peak_phase=shape.phase or "",
            peak_iteration=top.iteration if top else None,
            final=shape.final,
            trend=shape.trend,
            **_moved(moves.get(name), name, ledger.campaign.format == 1),
        )
    return curves


def _moved(moves: Moves | None, name: str, first_release: bool) -> dict[str, float]:
    """What the V_rest phases did to one R2: in all, and the single phase that cost most or gained least.

    The first release showed the worst phase for connectivity and the sum for the others under one name.
    """
    if moves is None:
        return {}
    if first_release:
        return {"gain_in_vrest_phase": moves.worst if name == "connectivity_R2" else moves.in_all}
    return {"vrest_phases_in_all": moves.in_all, "worst_vrest_phase": moves.worst}


def _followed(ledger: Ledger, points: list[TrajectoryPoint]) -> dict[str, Trace]:
    """What the prompts of this run tell of a trajectory, as far as it was measured along it."""
    known = traced(ledger.campaign.format)
    return {name: trace for name, trace in known.items() if all(hasattr(point, trace.column) for point in points)}


def _phases(points: list[TrajectoryPoint], followed: dict[str, Trace]) -> list[PhaseView]:
    """The first and the last phases of a run: a long one leaves out its middle."""
    groups = [list(group) for _, group in groupby(points, key=lambda point: (point.epoch, point.phase))]
    shown = groups if len(groups) <= SHOWN_PHASES else groups[: SHOWN_PHASES // 2] + groups[-SHOWN_PHASES // 2 :]
    return [
        PhaseView(
            epoch=group[0].epoch,
            phase=group[0].phase,
            moves={
                name: (getattr(group[0], one.column), getattr(group[-1], one.column)) for name, one in followed.items()
            },
        )
        for group in shown
    ]


def parent_config_id(ledger: Ledger, parent: int | None) -> str:
    """Short name of the config of node ``parent``; that of the defaults for root."""
    if parent in ledger.history.imported:
        return f"imported node {parent}"
    if parent is not None:
        return ledger.history.iterations[parent].planned.config_id
    return ledger.history.config_ids.get(ledger.campaign.base_config().identity(), "the defaults")


def explored_values(ledger: Ledger, config: SlotConfig) -> dict[str, Scalar]:
    """The value of every explorable key."""
    flat = config.flat()
    return {key: flat[key] for key in ledger.campaign.explorable}
