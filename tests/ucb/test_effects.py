"""Main effects: the slopes and standard errors of least squares."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import linregress

from ucb.effects import main_effects, render_effect


def test_one_key_gives_the_simple_regression() -> None:
    rng = np.random.default_rng(1)
    x = rng.choice([0.2, 0.3, 0.4], 20)
    y = 0.5 + 0.3 * x + rng.normal(0, 0.02, 20)
    points = [({"training.a": float(a)}, [float(b)]) for a, b in zip(x, y, strict=True)]
    (found,) = main_effects(points, {"training.a": 0.1}, {"training.a": False})
    want = linregress(x / 0.1, y)
    assert found.slope == pytest.approx(want.slope)
    assert found.error == pytest.approx(want.stderr)
    assert sum(runs for _, runs in found.values.values()) == 20
    assert render_effect(found).startswith("a: +0.0")


def test_a_key_on_a_log_scale_is_told_per_factor_of_ten() -> None:
    points = [({"a": 10.0**n, "b": float(n % 2)}, [0.1 * n]) for n in range(10)]
    log, linear = main_effects(points, {"a": 1.0, "b": 1.0}, {"a": True, "b": False})
    assert log.slope == pytest.approx(0.1)
    assert linear.slope == pytest.approx(0.0, abs=1e-9)
    assert "per factor of 10" in render_effect(log)


def test_keys_that_cannot_be_told_apart_or_do_not_vary_get_no_slope() -> None:
    points = [({"a": float(n % 3), "b": float(n % 3), "c": 1.0}, [0.1 * n]) for n in range(12)]
    found = main_effects(points, {"a": 1.0, "b": 1.0, "c": 1.0}, dict.fromkeys("abc", False))
    assert [(effect.key, effect.slope) for effect in found] == [("a", None), ("b", None)]
    few = main_effects(points[:4], {"a": 1.0}, {"a": False})
    assert few[0].slope is None
    assert "no slope yet" in render_effect(few[0])
