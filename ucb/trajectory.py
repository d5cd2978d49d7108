"""What the rows of metrics.log say: status, peak, trend and the two-stage pattern."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Literal

from state.metrics import METRICS, traced
from state.records import Phase, Status, TrajectoryPoint
from state.schema import Section
from state.thresholds import Thresholds

Trend = Literal["decaying", "rising", "stable", "undefined"]
Pattern = Literal["healthy", "conn-drops", "vrest-flat", "conn-not-established", "unclear"]

DEFAULTS = Thresholds()


class Curve(Section):
    """One R2 over a run: its highest value and the phase it fell in, its last value, its trend. None = undefined."""

    peak: float | None = None
    phase: Phase | None = None
    final: float | None = None
    trend: Trend = "undefined"


# Label of a curve in the log -> the curve.
Trajectory = dict[str, Curve]


class PatternReport(Section):
    """The class of a two-stage run and the figures it rests on (R2 units; None = not measurable)."""

    pattern: Pattern
    reason: str
    conn_drop: float | None = None
    vrest_gain: float | None = None
    tau_gain: float | None = None


def run_status(connectivity_r2: float | None, limits: Thresholds = DEFAULTS) -> Status:
    """`converged`, `partial` or `failed`; a run without a connectivity_R2 has failed."""
    if connectivity_r2 is None or connectivity_r2 < limits.partial:
        return "failed"
    return "converged" if connectivity_r2 > limits.converged else "partial"


def trajectory(points: Sequence[TrajectoryPoint], limits: Thresholds = DEFAULTS) -> Trajectory:
    """The curves of the log's `R2 trajectory:` line over ``points`` (in order of training), of what they follow."""
    return {
        trace.label: curve(points, trace.column, limits)
        for name, trace in traced().items()
        if METRICS[name].since == 1 or any(name in point.values() for point in points)
    }


def _value(point: TrajectoryPoint, column: str) -> float | None:
    """None where it is undefined, or where the run is older than the column."""
    value: float | None = getattr(point, column, None)
    return value


def peak(points: Sequence[TrajectoryPoint], column: str) -> TrajectoryPoint | None:
    """The first point at which ``column`` is highest, with its phase and iteration."""
    values = [_value(point, column) for point in points]
    defined = [value for value in values if value is not None]
    return points[values.index(max(defined))] if defined else None


def curve(points: Sequence[TrajectoryPoint], column: str, limits: Thresholds = DEFAULTS) -> Curve:
    """Peak, final value and trend of one column.

    Decaying: final below peak by more than `decay`. Rising: otherwise, and the last third of the (defined) points
    gained more than `rise`. A run whose last point is undefined has no final value and no trend.
    """
    highest = peak(points, column)
    if highest is None:
        return Curve()
    top, final = _value(highest, column), _value(points[-1], column)
    assert top is not None
    return Curve(peak=top, phase=highest.phase, final=final, trend=_trend(points, column, top, final, limits))


def _trend(
    points: Sequence[TrajectoryPoint], column: str, top: float, final: float | None, limits: Thresholds
) -> Trend:
    if final is None:
        return "undefined"
    if final < top - limits.decay:
        return "decaying"
    values = [value for point in points if (value := _value(point, column)) is not None]
    gained = final - values[2 * (len(values) - 1) // 3]
    return "rising" if gained > limits.rise else "stable"


def pattern(points: Sequence[TrajectoryPoint], limits: Thresholds = DEFAULTS) -> PatternReport:
    """Class of a two-stage run, from how each R2 moves through its V_rest phases.

    A phase moves a metric by (its last value) - (the last value before the phase). connectivity is established when a
    joint phase ends at `partial` or above; it drops when any V_rest phase costs more than `decay`; V_rest is flat when
    its V_rest phases together gain less than `vrest_gain`. tau, which may already be at its ceiling, must not lose more
    than `decay`. What fits no class (no V_rest phase, undefined values, tau lost) is `unclear`, with the reason.
    """
    segments = _segments(points)
    moves = {name: _moves(segments, name) for name in ("connectivity_r2", "vrest_r2", "tau_r2")}
    levels = _ends(segments, "connectivity_r2", "joint")
    conn, vrest, tau = moves.values()
    if not levels or None in levels or not conn or None in (*conn, *vrest, *tau):
        return PatternReport(pattern="unclear", reason="the phases or values needed are not all there")
    established, drop = max(_known(levels)), -min(_known(conn))
    vrest_gain, tau_gain = sum(_known(vrest)), sum(_known(tau))
    name, reason = _classify(established, drop, vrest_gain, tau_gain, limits)
    return PatternReport(
        pattern=name,
        reason=reason,
        conn_drop=drop,
        vrest_gain=vrest_gain,
        tau_gain=tau_gain,
    )


def _classify(
    established: float, drop: float, vrest_gain: float, tau_gain: float, limits: Thresholds
) -> tuple[Pattern, str]:
    if established < limits.partial:
        return "conn-not-established", f"conn reached only {established:.3f} in the joint phase"
    if drop > limits.decay:
        return "conn-drops", f"conn lost {drop:.3f} in a V_rest phase; lr_ratio may be too low"
    if vrest_gain < limits.vrest_gain:
        return "vrest-flat", f"V_rest gained {vrest_gain:.3f} in the V_rest phase; lr_ratio may be too high"
    if tau_gain < -limits.decay:
        return "unclear", f"tau lost {-tau_gain:.3f} in the V_rest phase while conn held and V_rest rose"
    return "healthy", "conn held and V_rest rose in the V_rest phase"


def _segments(points: Sequence[TrajectoryPoint]) -> list[list[TrajectoryPoint]]:
    """Runs of neighbouring points in one phase of one epoch."""
    return [list(group) for _, group in groupby(points, key=lambda point: (point.epoch, point.phase))]


def _ends(segments: list[list[TrajectoryPoint]], column: str, phase: Phase) -> list[float | None]:
    """Last value of each segment of ``phase``."""
    return [_value(segment[-1], column) for segment in segments if segment[0].phase == phase]


def _moves(segments: list[list[TrajectoryPoint]], column: str) -> list[float | None]:
    """By how much each V_rest segment moved ``column`` from the end of the segment before it."""
    pairs = [(a[-1], b[-1]) for a, b in pairwise(segments) if b[0].phase == "V_rest"]
    return [_gain(_value(a, column), _value(b, column)) for a, b in pairs]


def _gain(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]
