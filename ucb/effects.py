"""What each explored key does to a metric over all runs: a linear regression, and the mean at each value.

A group is one config: its values of the keys, and its points. What a point is, a run or a data seed, is the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# Coefficients may be told from that many runs more than there are of them.
SPARE = 6
SHOWN_VALUES = 6
Group = tuple[Mapping[str, float], Sequence[float]]


@dataclass(frozen=True)
class Effect:
    """One key: the slope of the metric with its standard error, None where the runs do not tell it from other keys.

    ``log``: per factor of 10 of the key, else per unit of ``step``. ``values``: value -> (mean of the metric, runs).
    """

    key: str
    slope: float | None
    error: float | None
    step: float
    log: bool
    values: dict[float, tuple[float, int]]


def main_effects(groups: Sequence[Group], steps: Mapping[str, float], log: Mapping[str, bool]) -> list[Effect]:
    """Ordinary least squares of the metric on all keys that took two values at least, main effects only.

    ``groups``: values of the keys, and the metric at each point; ``steps``: key -> unit of the slope. The standard
    errors are the classical ones: residual variance times the inverse of X'X (Draper and Smith, Applied Regression
    Analysis).
    """
    groups = [(values, metrics) for values, metrics in groups if metrics]
    keys = [key for key in steps if len({values[key] for values, _ in groups}) > 1]
    enough = sum(len(metrics) for _, metrics in groups) >= len(keys) + 1 + SPARE
    slopes = _regress(groups, keys, steps, log) if enough else {}
    return [_effect(groups, key, slopes.get(key), steps[key], log[key]) for key in keys]


def _effect(groups: Sequence[Group], key: str, told: tuple[float, float] | None, step: float, log: bool) -> Effect:
    slope, error = told if told is not None else (None, None)
    return Effect(key, slope, error, step, log, _by_value(groups, key))


def _regress(
    groups: Sequence[Group], keys: Sequence[str], steps: Mapping[str, float], log: Mapping[str, bool]
) -> dict[str, tuple[float, float]]:
    """Key -> slope and standard error; keys that the others determine have none."""
    rows = [[_scaled(values[key], steps[key], log[key]) for key in keys] for values, _ in groups]
    y = np.array([value for _, metrics in groups for value in metrics])
    columns = np.repeat(np.array(rows), [len(metrics) for _, metrics in groups], axis=0)
    x = np.column_stack([np.ones(len(y)), columns])
    x[:, 1:] -= x[:, 1:].mean(axis=0)
    solution, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    freedom = len(y) - int(rank)
    if rank < x.shape[1] or freedom < 1:
        return {}
    left = y - x @ solution
    errors = np.sqrt(np.diag(np.linalg.inv(x.T @ x)) * float(left @ left) / freedom)
    return {key: (float(solution[n]), float(errors[n])) for n, key in enumerate(keys, 1)}


def _scaled(value: float, step: float, log: bool) -> float:
    return math.log10(value) if log else value / step


def _by_value(groups: Sequence[Group], key: str) -> dict[float, tuple[float, int]]:
    """The values with the most points, in order."""
    at: dict[float, list[float]] = {}
    for values, metrics in groups:
        at.setdefault(values[key], []).extend(metrics)
    most = sorted(at, key=lambda value: (-len(at[value]), value))[:SHOWN_VALUES]
    return {value: (math.fsum(at[value]) / len(at[value]), len(at[value])) for value in sorted(most)}


def render_effect(effect: Effect, error: bool = True) -> str:
    """`joint_ratio: +0.012 +/- 0.005 per 0.1; 0.4: 0.512 (12), 0.5: 0.524 (6)`, or without the standard error."""
    per = "factor of 10" if effect.log else f"{effect.step:g}"
    within = f" +/- {effect.error:.4f}" if error and effect.error is not None else ""
    slope = f"{effect.slope:+.4f}{within} per {per}" if effect.slope is not None else "no slope yet"
    values = ", ".join(f"{value:g}: {mean:.3f} ({runs})" for value, (mean, runs) in effect.values.items())
    return f"{effect.key.rpartition('.')[2]}: {slope}; mean by value (data seeds): {values}"
