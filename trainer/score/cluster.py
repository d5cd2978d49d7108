"""Whether the learned description of each neuron gives away its cell type."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray

N_COMPONENTS = 100
SEEDS = {"raw": 42, "standardised": 0}
FLOORS = {"raw": 1e-6, "standardised": 1e-4}  # of the mixture's variances


def neuron_features(
    embedding: NDArray[np.float64],
    tau: NDArray[np.float64],
    rest: NDArray[np.float64],
    weight: NDArray[np.float64],
    source: NDArray[np.int32],
    target: NDArray[np.int32],
) -> NDArray[np.float64]:
    """[N, D + 6]: embedding [N, D], tau, V_rest, and mean and standard deviation of the in- and of the out-weights."""
    columns = [*embedding.T, tau, rest]
    for side in (target, source):
        count = np.maximum(np.bincount(side, minlength=len(tau)), 1)
        mean = np.bincount(side, weight, len(tau)) / count
        spread = np.bincount(side, (weight - mean[side]) ** 2, len(tau)) / count
        columns += [mean, np.sqrt(spread)]
    return np.stack(columns, axis=1)


def cluster_accuracy(
    features: NDArray[np.float64], types: NDArray[np.int32], kind: Literal["raw", "standardised"] = "raw"
) -> tuple[float | None, str]:
    """Share of the neurons whose mixture component is matched to their type; or None and the reason.

    A Gaussian mixture of 100 full-covariance components (fewer when there are fewer neurons; fixed seed) is fitted to
    the features [N, K] as they are, as the predecessor does, or `standardised`; the Hungarian method then pairs
    components with types so that most neurons agree.
    """
    if not np.isfinite(features).all():
        return None, "the features of some neurons are not finite"
    spread = features.std(0)
    if not (spread > 0).any():
        return None, "all neurons look alike"
    if not np.isfinite(spread).all():
        return None, "the spread of the features is out of range"
    # Imported here: it takes most of a second, and only this function needs it.
    from scipy.optimize import linear_sum_assignment
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    fitted = features if kind == "raw" else (features - features.mean(0))[:, spread > 0] / spread[spread > 0]
    components = min(N_COMPONENTS, len(fitted))
    mixture = GaussianMixture(components, reg_covar=FLOORS[kind], random_state=SEEDS[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        component = mixture.fit_predict(fitted)
    table = np.zeros((mixture.n_components, int(types.max()) + 1), dtype=np.int64)
    np.add.at(table, (component, types), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / len(types)), ""
