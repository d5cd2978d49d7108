"""Means, intervals and paired differences over the nights of a bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import t, wilcoxon

LEVEL = 0.95


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean by Student's t; None below two values."""
    if len(values) < 2:
        return None
    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    mean = float(np.mean(values))
    return mean - half, mean + half


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation and interval of the mean as plain data."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"n": len(values), "mean": float(np.mean(values)), "sd": sd, "interval": interval(values)}


def pairs(finals: Mapping[Any, Sequence[float]]) -> list[dict[str, Any]]:
    """Every two explorers, night by night: mean difference, its interval, Wilcoxon's signed-rank test (two-sided).

    Both lists of a pair are of the same nights in the same order. Nights without a difference are left out of the test
    (Wilcoxon 1945), and with none left its p is 1.
    """
    found = []
    for one, other in combinations(finals, 2):
        differences = [a - b for a, b in zip(finals[one], finals[other], strict=True)]
        told = any(abs(difference) > 1e-12 for difference in differences)
        p = float(wilcoxon(differences).pvalue) if told else 1.0
        ahead = sum(difference > 1e-12 for difference in differences)
        behind = sum(difference < -1e-12 for difference in differences)
        found.append({"a": one, "b": other, **spread(differences), "a_ahead": ahead, "b_ahead": behind, "p": p})
    return found
