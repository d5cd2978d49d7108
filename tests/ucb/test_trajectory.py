"""Status, trend and pattern follow DOMAIN's limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.records import Phase, TrajectoryPoint
from state.thresholds import Thresholds
from tests.ucb.strategies import metric
from ucb.trajectory import curve, pattern, peak, run_status, trajectory


def points(*rows: tuple[Phase, float | None, float | None, float | None], epoch: int = 0) -> list[TrajectoryPoint]:
    """One point a row: phase, conn, vrest, tau."""
    return [
        TrajectoryPoint(epoch=epoch, iteration=100 * i, connectivity_r2=conn, vrest_r2=vrest, tau_r2=tau, phase=phase)
        for i, (phase, conn, vrest, tau) in enumerate(rows, 1)
    ]


def of_conn(*values: float | None) -> list[TrajectoryPoint]:
    return points(*[("joint", value, None, None) for value in values])


@pytest.mark.parametrize(
    ("conn", "status"),
    [(0.81, "converged"), (0.8, "partial"), (0.3, "partial"), (0.299, "failed"), (None, "failed"), (0.0, "failed")],
)
def test_status_by_connectivity(conn: float | None, status: str) -> None:
    assert run_status(conn) == status


def test_a_campaign_may_set_its_own_limits() -> None:
    assert run_status(0.7, Thresholds(converged=0.6)) == "converged"


@pytest.mark.parametrize(
    ("values", "trend"),
    [
        ([0.1, 0.5, 0.9, 0.86], "decaying"),
        ([0.1, 0.5, 0.9, 0.88], "stable"),
        ([0.1, 0.2, 0.3, 0.4], "rising"),
        ([0.5, 0.6, 0.61, 0.615], "stable"),
        ([0.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9], "stable"),
        ([0.9], "stable"),
        ([0.5, None], "undefined"),
        ([None, 0.5], "stable"),
        ([], "undefined"),
    ],
)
def test_trend(values: list[float | None], trend: str) -> None:
    assert curve(of_conn(*values), "connectivity_r2").trend == trend


def test_peak_tells_phase_and_iteration() -> None:
    rows = points(
        ("joint", 0.8, 0.1, 0.1), ("joint", 0.9, 0.1, 0.1), ("V_rest", 0.9, 0.4, None), ("V_rest", 0.7, 0.3, None)
    )
    best = peak(rows, "connectivity_r2")
    assert best is not None
    assert (best.iteration, best.phase) == (200, "joint")
    found = trajectory(rows)
    conn, vrest, tau = (found[name] for name in ("conn", "vrest", "tau"))
    assert (conn.peak, conn.phase, conn.iteration, conn.final) == (0.9, "joint", 200, 0.7)
    assert "iteration" not in trajectory(rows, first_release=True)["conn"].model_dump()
    assert (vrest.peak, vrest.phase, vrest.final) == (0.4, "V_rest", 0.3)
    assert (tau.peak, tau.final, tau.trend) == (0.1, None, "undefined")


def two_stage(conn: float, vrest: float, tau: float) -> list[TrajectoryPoint]:
    """A joint phase that ends at 0.9 / 0.1 / 0.6, and a V_rest phase that ends as given."""
    return points(
        ("joint", 0.5, 0.0, 0.1), ("joint", 0.9, 0.1, 0.6), ("V_rest", 0.9, 0.1, 0.6), ("V_rest", conn, vrest, tau)
    )


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ((0.91, 0.3, 0.7), "healthy"),
        ((0.88, 0.3, 0.7), "healthy"),
        ((0.86, 0.3, 0.7), "conn-drops"),
        ((0.9, 0.11, 0.7), "vrest-flat"),
        ((0.9, 0.3, 0.5), "unclear"),
    ],
)
def test_pattern(end: tuple[float, float, float], expected: str) -> None:
    assert pattern(two_stage(*end)).pattern == expected


def test_connectivity_that_never_came_is_told_first() -> None:
    rows = points(("joint", 0.1, 0.0, 0.0), ("joint", 0.25, 0.0, 0.0), ("V_rest", 0.1, 0.3, 0.3))
    assert pattern(rows).pattern == "conn-not-established"


def test_every_r2_has_its_moves_by_phase_and_in_all() -> None:
    first = two_stage(0.84, 0.11, 0.7)
    second = points(("joint", 0.95, 0.11, 0.7), ("V_rest", 0.95, 0.125, 0.65), epoch=1)
    report = pattern(first + second)
    assert report.pattern == "conn-drops"
    assert report.conn is not None
    assert report.vrest is not None
    assert report.tau is not None
    assert report.conn.each == pytest.approx([-0.06, 0.0])
    assert (report.conn.worst, report.conn.in_all) == pytest.approx((-0.06, -0.06))
    assert (report.vrest.worst, report.vrest.in_all) == pytest.approx((0.01, 0.025))
    assert (report.tau.worst, report.tau.in_all) == pytest.approx((-0.05, 0.05))


def over_epochs(*conn: tuple[float, float], vrest: float = 0.4) -> list[TrajectoryPoint]:
    """An epoch a pair: connectivity at the end of its joint and of its V_rest phase; V_rest gains 0.05 in each."""
    rows: list[TrajectoryPoint] = []
    for epoch, (joint, after) in enumerate(conn):
        low = vrest + 0.05 * epoch
        rows += points(("joint", joint, low, 0.9), ("V_rest", after, low + 0.05, 0.9), epoch=epoch)
    return rows


def test_a_slow_drift_over_phases_counts_unless_the_joint_phases_regain_it() -> None:
    drift = over_epochs((0.95, 0.93), (0.93, 0.91), (0.91, 0.89))
    report = pattern(drift)
    assert (report.pattern, report.conn_held) == ("conn-drops", False)
    assert "0.060 over the V_rest phases" in report.reason
    assert pattern(drift, first_release=True).pattern == "healthy"
    regained = pattern(over_epochs((0.95, 0.93), (0.95, 0.93), (0.95, 0.93)))
    assert (regained.pattern, regained.conn_held) == ("healthy", True)


@pytest.mark.parametrize(
    ("before", "after", "expected", "word"),
    [
        (0.98, 0.98, "vrest-holds-high", "holds high"),
        (0.9, 0.905, "vrest-holds-high", "holds high"),
        (0.5, 0.51, "vrest-flat", "flat"),
        (0.5, 0.48, "vrest-flat", "flat"),
        (0.5, 0.26, "vrest-falls", "falls"),
        (0.98, 0.91, "vrest-falls", "falls"),
        (0.9, 0.95, "healthy", "rises"),
    ],
)
def test_what_v_rest_did_has_its_own_words(before: float, after: float, expected: str, word: str) -> None:
    rows = points(("joint", 0.9, before, 0.9), ("V_rest", 0.9, after, 0.9))
    report = pattern(rows)
    assert (report.pattern, report.vrest_word) == (expected, word)
    first = pattern(rows, first_release=True).pattern
    assert first == ("healthy" if word == "rises" else "vrest-flat")


@pytest.mark.parametrize(
    "rows",
    [
        [],
        points(("standard", 0.9, 0.1, 0.1)),
        points(("joint", 0.9, 0.1, 0.1)),
        points(("V_rest", 0.9, 0.1, 0.1)),
        points(("joint", 0.9, 0.1, 0.1), ("V_rest", 0.9, None, 0.1)),
        points(("joint", None, 0.1, 0.1), ("V_rest", 0.9, 0.3, 0.1)),
    ],
)
def test_what_cannot_be_classed_is_unclear(rows: list[TrajectoryPoint]) -> None:
    report = pattern(rows)
    assert report.pattern == "unclear"
    assert report.vrest is None
    assert report.vrest_word is None
    assert report.reason


rows = st.tuples(st.sampled_from(["joint", "V_rest"]), metric, metric, metric)


@given(st.lists(rows, max_size=12))
def test_any_trajectory_is_judged(found: list[tuple[Phase, float | None, float | None, float | None]]) -> None:
    all_points = points(*found)
    curves = trajectory(all_points)
    defined = [value for _, value, _, _ in found if value is not None]
    assert curves["conn"].peak == (max(defined) if defined else None)
    assert pattern(all_points).reason
