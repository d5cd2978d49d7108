"""Bad runs: found by one limit, counted with exact bounds, compared without a Gaussian."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from state.thresholds import Thresholds
from ucb.shares import bad_limit, bad_share, is_bad, more_bad, share
from ucb.variance import Run


def run(value: float | None, failed: bool = False) -> Run:
    return Run("C1", 1, 1, 1, None if failed else {"connectivity_R2": value})


def test_the_bound_after_none_of_four_is_53_per_cent() -> None:
    assert share(0, 4).high == pytest.approx(1 - 0.05**0.25)
    assert str(share(0, 4)) == "0 of 4 bad (95 % bound: at most 53 %)"
    assert (share(4, 4).high, share(0, 0).high) == (1.0, 1.0)


def test_bounds_are_those_where_as_many_would_be_seen_in_one_case_of_twenty() -> None:
    found = share(2, 12)
    assert binom.sf(1, 12, found.low) == pytest.approx(0.05)
    assert binom.cdf(2, 12, found.high) == pytest.approx(0.05)
    assert "95 % bounds: 3 to 44 %" in str(found)


def test_failed_undefined_and_low_runs_are_bad() -> None:
    assert [is_bad(run(value), 0.8) for value in (0.81, 0.8, None)] == [False, True, True]
    assert is_bad(run(None, failed=True), 0.8)
    assert bad_share([run(0.9), run(0.5), run(None)], 0.8) == share(2, 3)


def test_the_limit_is_the_status_limit_or_below_what_is_usual_here() -> None:
    limits = Thresholds()
    assert bad_limit([run(0.95)] * 3, limits) == 0.8
    assert bad_limit([run(0.7), run(0.72), run(0.1)], limits) == pytest.approx(0.6)
    assert bad_limit([run(None, failed=True)], limits) == 0.8


def test_more_bad_runs_are_seen_only_where_there_are_many() -> None:
    assert more_bad(share(1, 4), share(2, 12)) > 0.3
    assert more_bad(share(6, 8), share(1, 12)) < 0.01
    assert more_bad(share(0, 0), share(1, 12)) == 1.0
