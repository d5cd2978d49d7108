"""The same quantities by the definitions of others, so that published figures can be compared.

The newest predecessor (since 2026-04-27) gives for W, tau and V_rest the R2 about the identity line, over all values
and over those within an outlier threshold; test_pearson over neurons whose true and predicted traces both vary; and
figures of the weights as they are.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from scipy.sparse import linalg
from torch import Tensor

from trainer.fly.connectome import Connectome
from trainer.score.metrics import Array, Recovered, score

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


def raw_weights(W: Array, found: Recovered, truth: Connectome) -> dict[str, float]:
    """``raw_W_R2``: R2 of the line through the weights as trained [E], without the correction of `recover`; and
    ``spectral_radius``, ``spectral_radius_true`` of the corrected and the true weights. Undefined ones are left out.
    """
    values = {"raw_W_R2": score(W, truth.weight).r2, "spectral_radius": spectral_radius(found.W, truth)}
    if values["spectral_radius"] is not None:
        values["spectral_radius_true"] = spectral_radius(np.asarray(truth.weight, np.float64), truth)
    return {name: value for name, value in values.items() if value is not None}


def spectral_radius(weight: Array, truth: Connectome) -> float | None:
    """Largest absolute eigenvalue of the matrix W[target, source] of ``weight`` [E]; None where it is not found."""
    n = len(truth.type_index)
    if not np.isfinite(weight).all() or n < 3:
        return None
    matrix = sparse.csr_array((weight, (truth.target, truth.source)), shape=(n, n))
    try:
        # Always from the same start, so that equal weights give equal digits.
        largest = linalg.eigs(matrix, k=1, which="LM", v0=np.ones(n), maxiter=300, return_eigenvectors=False)
    except linalg.ArpackError:
        return None
    return float(np.abs(largest[0]))


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
