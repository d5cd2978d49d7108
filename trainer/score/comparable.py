"""The same quantities by the definitions of others, so that published figures can be compared.

The newest predecessor (since 2026-04-27) gives for W, tau and V_rest the R2 about the identity line, over all values
and over those within an outlier threshold; and test_pearson over neurons whose true and predicted traces both vary.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainer.fly.connectome import Connectome
from trainer.score.metrics import Array, Recovered

# |learned - true| above these is an outlier there.
OUTLIERS = {"connectivity_R2": 1.0, "tau_R2": 0.1, "V_rest_R2": 0.2}
MOVING_STD = 1e-8


def identity_scores(found: Recovered, truth: Connectome) -> dict[str, float]:
    """`NAME_identity` and `NAME_identity_trimmed` for W, tau and V_rest; undefined ones are left out.

    1 - mean((learned - true)^2) / var(true), over everything and without outliers.
    """
    pairs = {
        "connectivity_R2": (found.W, truth.weight),
        "tau_R2": (found.tau, truth.tau),
        "V_rest_R2": (found.V_rest, truth.V_rest),
    }
    scores: dict[str, float | None] = {}
    for name, (learned, true) in pairs.items():
        expected = np.asarray(true, np.float64)
        inside = np.abs(learned - expected) <= OUTLIERS[name]
        scores[f"{name}_identity"] = _identity(learned, expected)
        scores[f"{name}_identity_trimmed"] = _identity(learned[inside], expected[inside])
    return {name: value for name, value in scores.items() if value is not None}


def _identity(learned: Array, true: Array) -> float | None:
    if len(true) < 2 or not np.isfinite(learned).all() or np.ptp(true) <= 1e-9 * max(1.0, float(np.abs(true).max())):
        return None
    return 1.0 - float(np.mean((learned - true) ** 2) / true.var())


def pearson_of_moving(traces: Tensor, true: Tensor) -> float | None:
    """Mean Pearson r over the neurons whose traces [T, N] both have a standard deviation above MOVING_STD."""
    if not bool(torch.isfinite(traces).all()):
        return None
    x, y = (t.double() - t.double().mean(0) for t in (true, traces))
    sx, sy = x.square().mean(0).sqrt(), y.square().mean(0).sqrt()
    moving = (sx > MOVING_STD) & (sy > MOVING_STD) & torch.isfinite(sy)
    if not bool(moving.any()):
        return None
    return float(((x * y).mean(0)[moving] / (sx * sy)[moving]).mean())
