"""Figures by other definitions, against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from trainer.fly.connectome import Connectome
from trainer.score.comparable import OUTLIERS, identity_scores, pearson_of_moving, raw_weights, spectral_radius
from trainer.score.metrics import Recovered


def perfect(truth: Connectome) -> Recovered:
    return Recovered(truth.weight.astype(float), truth.tau.astype(float), truth.V_rest.astype(float))


def test_the_truth_scores_one(tiny_truth: Connectome) -> None:
    scores = identity_scores(perfect(tiny_truth), tiny_truth)
    assert set(scores) == {f"{name}_identity{end}" for name in OUTLIERS for end in ("", "_trimmed")}
    assert set(scores.values()) == {1.0}


def test_a_shift_counts_although_the_correlation_is_one(tiny_truth: Connectome) -> None:
    found = perfect(tiny_truth)
    scores = identity_scores(replace(found, V_rest=found.V_rest + 0.1), tiny_truth)
    assert scores["V_rest_R2_identity"] == pytest.approx(1 - 0.01 / tiny_truth.V_rest.astype(float).var())


def test_outliers_count_once_and_not_when_trimmed(tiny_truth: Connectome) -> None:
    found = perfect(tiny_truth)
    tau = found.tau.copy()
    tau[0] += 0.5
    scores = identity_scores(replace(found, tau=tau), tiny_truth)
    expected = 1 - 0.25 / len(tau) / tiny_truth.tau.astype(float).var()
    assert scores["tau_R2_identity"] == pytest.approx(expected)
    assert scores["tau_R2_identity_trimmed"] == 1.0


def test_values_that_are_not_finite_leave_the_score_out(tiny_truth: Connectome) -> None:
    found = perfect(tiny_truth)
    broken = found.W.copy()
    broken[3] = np.inf
    scores = identity_scores(replace(found, W=broken), tiny_truth)
    assert "connectivity_R2_identity" not in scores
    assert scores["connectivity_R2_identity_trimmed"] == 1.0


def test_pearson_leaves_out_what_does_not_move() -> None:
    time = torch.linspace(0, 6, 50)
    true = torch.stack([time.sin(), time.cos(), torch.ones(50)], 1)
    flat = torch.stack([time.sin(), torch.zeros(50), time.sin()], 1)
    assert pearson_of_moving(flat, true) == pytest.approx(1.0)
    assert pearson_of_moving(-true, true) == pytest.approx(-1.0)
    assert pearson_of_moving(torch.zeros(50, 3), true) is None
    assert pearson_of_moving(true * float("nan"), true) is None


def test_spectral_radius_is_that_of_the_dense_matrix(tiny_truth: Connectome) -> None:
    n = len(tiny_truth.type_index)
    matrix = np.zeros((n, n))
    np.add.at(matrix, (tiny_truth.target, tiny_truth.source), tiny_truth.weight)
    expected = float(np.abs(np.linalg.eigvals(matrix)).max())
    assert spectral_radius(tiny_truth.weight.astype(float), tiny_truth) == pytest.approx(expected, rel=1e-6)


def test_weights_up_to_a_scale_have_a_raw_R2_of_one_and_scale_the_radius(tiny_truth: Connectome) -> None:
    found = perfect(tiny_truth)
    figures = raw_weights(-3.0 * found.W, replace(found, W=2.0 * found.W), tiny_truth)
    assert figures["raw_W_R2"] == pytest.approx(1.0)
    assert figures["spectral_radius"] == pytest.approx(2.0 * figures["spectral_radius_true"])


def test_weights_that_are_not_finite_have_no_radius(tiny_truth: Connectome) -> None:
    found = perfect(tiny_truth)
    broken = np.full_like(found.W, np.nan)
    assert raw_weights(broken, replace(found, W=broken), tiny_truth) == {}
