"""Intervals and paired tests, held against values from tables and against known cases."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.bench.summary import interval, pairs, spread


def test_the_interval_is_students() -> None:
    # t(0.975, 3 degrees of freedom) = 3.182 and the standard error of 1, 2, 3, 4 is 0.6455.
    assert interval([1.0, 2.0, 3.0, 4.0]) == pytest.approx((2.5 - 3.182 * 0.6455, 2.5 + 3.182 * 0.6455), abs=1e-3)
    assert interval([1.0]) is None
    assert spread([2.0, 4.0])["mean"] == 3.0


def test_pairs_are_night_by_night() -> None:
    (found,) = pairs({"a": [1.1, 2.1, 3.1, 4.1, 5.1, 6.1], "b": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
    assert found["mean"] == pytest.approx(0.1)
    # Six differences of one sign: 2 of 2^6 arrangements are as far out.
    assert found["p"] == pytest.approx(2 / 64)
    assert (found["a_ahead"], found["b_ahead"]) == (6, 0)
    (same,) = pairs({"a": [0.4, 0.4], "b": [0.4, 0.4]})
    assert (same["p"], same["mean"]) == (1.0, 0.0)
    assert [(one["a"], one["b"]) for one in pairs({"a": [1.0], "b": [1.0], "c": [2.0]})] == [
        ("a", "b"), ("a", "c"), ("b", "c"),
    ]  # fmt: skip


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=5), st.lists(st.floats(-1, 1), min_size=1, max_size=5))
def test_a_difference_turned_round_is_the_same_test(one: list[float], other: list[float]) -> None:
    n = min(len(one), len(other))
    (there,), (back,) = pairs({"a": one[:n], "b": other[:n]}), pairs({"b": other[:n], "a": one[:n]})
    assert there["mean"] == pytest.approx(-back["mean"])
    assert there["p"] == pytest.approx(back["p"])
    assert 0 <= there["p"] <= 1
