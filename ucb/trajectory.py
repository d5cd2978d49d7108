"""What the rows of metrics.log say: status, peak, trend and the two-stage pattern."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Literal

from state.added import Growing, added
from state.metrics import METRICS, traced
from state.records import Phase, Status, TrajectoryPoint
from state.schema import Section
from state.thresholds import Thresholds

Trend = Literal["decaying", "rising", "stable", "undefined"]
Pattern = Literal[
    "healthy", "conn-drops", "vrest-flat", "vrest-falls", "vrest-holds-high", "conn-not-established", "unclear"
]
VrestWord = Literal["rises", "holds high", "flat", "falls"]

DEFAULTS = Thresholds()
# A V_rest_R2 from here up has no room to gain much more, and to hold it is well done.
VREST_HIGH = 0.9


class Curve(Growing):
    """One R2 over a run: its highest value, in which phase and at which iteration, its last value, its trend.

    None = undefined; ``iteration`` is None as well in runs of the first release.
    """

    peak: float | None = None
    phase: Phase | None = None
    iteration: int | None = added(None, before=None)
    final: float | None = None
    trend: Trend = "undefined"


# Label of a curve in the log -> the curve.
Trajectory = dict[str, Curve]


class Moves(Section):
    """By how much each V_rest phase moved one R2, from the last value before the phase to the last one in it."""

    each: list[float]

    @property
    def in_all(self) -> float:
        """Over all V_rest phases together."""
        return sum(self.each)

    @property
    def worst(self) -> float:
        """Of the single phase that cost most, or gained least."""
        return min(self.each)


class PatternReport(Section):
    """The class of a two-stage run and the figures it rests on (R2 units; None = not measurable).

    ``conn_held``: no V_rest phase, nor all together, cost connectivity more than `decay`.
    """

    pattern: Pattern
    reason: str
    conn_established: float | None = None
    conn: Moves | None = None
    vrest: Moves | None = None
    tau: Moves | None = None
    conn_held: bool | None = None
    vrest_word: VrestWord | None = None


def run_status(connectivity_r2: float | None, limits: Thresholds = DEFAULTS) -> Status:
    """`converged`, `partial` or `failed`; a run without a connectivity_R2 has failed."""
    if connectivity_r2 is None or connectivity_r2 < limits.partial:
        return "failed"
    return "converged" if connectivity_r2 > limits.converged else "partial"


def trajectory(
    points: Sequence[TrajectoryPoint], limits: Thresholds = DEFAULTS, first_release: bool = False
) -> Trajectory:
    """The curves of the log's `R2 trajectory:` line over ``points`` (in order of training), of what they follow."""
    found = {
        trace.label: curve(points, trace.column, limits)
        for name, trace in traced().items()
        if METRICS[name].since == 1 or any(name in point.values() for point in points)
    }
    if not first_release:
        return found
    return {label: one.model_copy(update={"iteration": None}) for label, one in found.items()}


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
    trend = _trend(points, column, top, final, limits)
    return Curve(peak=top, phase=highest.phase, iteration=highest.iteration, final=final, trend=trend)


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


def pattern(
    points: Sequence[TrajectoryPoint], limits: Thresholds = DEFAULTS, first_release: bool = False
) -> PatternReport:
    """Class of a two-stage run, from how each R2 moves through its V_rest phases.

    connectivity is established when a joint phase ends at `partial` or above. It drops when a single V_rest phase costs
    more than `decay`, or when all together do and the run ends that far below what was established. V_rest rises when
    its phases in all gain `vrest_gain`; else it holds high (ends at VREST_HIGH or above), falls (loses more than
    `decay`) or is flat. tau, which may already be at its ceiling, must not lose more than `decay` in all. What fits
    no class (no V_rest phase, undefined values, tau lost) is `unclear`, with the reason.
    """
    segments = _segments(points)
    moves = {name: _moves(segments, name) for name in ("connectivity_r2", "vrest_r2", "tau_r2")}
    levels = _ends(segments, "connectivity_r2", "joint")
    if not levels or None in levels or any(not move or None in move for move in moves.values()):
        return PatternReport(pattern="unclear", reason="the phases or values needed are not all there")
    established = max(_known(levels))
    conn, vrest, tau = (Moves(each=_known(move)) for move in moves.values())
    lost = established - points[-1].connectivity_r2 if points[-1].connectivity_r2 is not None else 0.0
    drifted = not first_release and min(-conn.in_all, lost) > limits.decay
    held = -conn.worst <= limits.decay and not drifted
    word = _vrest_word(vrest, points[-1].vrest_r2, limits)
    name, reason = (_classify_first if first_release else _classify)(established, conn, vrest, tau, held, word, limits)
    return PatternReport(
        pattern=name,
        reason=reason,
        conn_established=established,
        conn=conn,
        vrest=vrest,
        tau=tau,
        conn_held=held,
        vrest_word=word,
    )


def _vrest_word(vrest: Moves, final: float | None, limits: Thresholds) -> VrestWord:
    if vrest.in_all >= limits.vrest_gain:
        return "rises"
    if vrest.in_all < -limits.decay:
        return "falls"
    return "holds high" if final is not None and final >= VREST_HIGH else "flat"


def _classify(
    established: float, conn: Moves, vrest: Moves, tau: Moves, held: bool, word: VrestWord, limits: Thresholds
) -> tuple[Pattern, str]:
    if established < limits.partial:
        return "conn-not-established", f"conn reached only {established:.3f} in the joint phase"
    if not held:
        single = -conn.worst > limits.decay
        lost = f"{-conn.worst:.3f} in a single V_rest phase" if single else f"{-conn.in_all:.3f} over the V_rest phases"
        return "conn-drops", f"conn lost {lost}; lr_ratio may be too low"
    if word == "falls":
        return "vrest-falls", f"V_rest lost {-vrest.in_all:.3f} over the V_rest phases"
    if word == "flat":
        return "vrest-flat", f"V_rest gained {vrest.in_all:.3f} over the V_rest phases; lr_ratio may be too high"
    if tau.in_all < -limits.decay:
        return "unclear", f"tau lost {-tau.in_all:.3f} over the V_rest phases while conn held and V_rest {word}"
    if word == "holds high":
        return "vrest-holds-high", "conn held, and V_rest stayed at its ceiling through the V_rest phases"
    return "healthy", "conn held and V_rest rose over the V_rest phases"


def _classify_first(
    established: float, conn: Moves, vrest: Moves, tau: Moves, held: bool, word: VrestWord, limits: Thresholds
) -> tuple[Pattern, str]:
    """As the first release did: `vrest-flat` is whatever did not rise."""
    return _classify(established, conn, vrest, tau, held, "rises" if word == "rises" else "flat", limits)


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
