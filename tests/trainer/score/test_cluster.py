"""Clustering of neurons into types."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.score.cluster import N_COMPONENTS, cluster_accuracy, neuron_features


def blobs(distance: float, n_types: int = 20, members: int = 15) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    types = np.repeat(np.arange(n_types), members)
    centres = rng.standard_normal((n_types, 6)) * distance
    return centres[types] + rng.standard_normal((len(types), 6)), types.astype(np.int32)


def test_types_far_apart_are_told_apart_better_than_types_on_one_heap() -> None:
    far, near = (cluster_accuracy(*blobs(distance))[0] for distance in (50.0, 0.0))
    assert far is not None
    assert near is not None
    # 100 components for 20 types: each type keeps the largest of its pieces.
    assert far > near + 0.1
    assert 0.0 < near < far <= 1.0


def test_types_in_places_of_their_own_score_one() -> None:
    """As many types as the mixture has components, each in one far-away place."""
    accuracy, reason = cluster_accuracy(*blobs(1e4, n_types=N_COMPONENTS, members=4))
    assert reason == ""
    assert accuracy == pytest.approx(1.0, abs=0.02)


def test_repeatable_and_bounded_by_few_neurons() -> None:
    features, types = blobs(5.0, n_types=4, members=5)
    assert cluster_accuracy(features, types) == cluster_accuracy(features, types)


def test_raw_features_are_taken_as_they_are_and_standardised_ones_on_one_scale() -> None:
    """A wide column that tells nothing drowns the ones that tell the types, unless all are put on one scale."""
    features, types = blobs(10.0)
    noise = np.random.default_rng(1).standard_normal((len(types), 1)) * 1e6
    drowned = np.concatenate([features, noise], axis=1)
    raw, standardised = (cluster_accuracy(drowned, types, kind)[0] for kind in ("raw", "standardised"))
    assert raw is not None
    assert standardised is not None
    assert standardised > raw + 0.1


@pytest.mark.parametrize(("value", "word"), [(np.nan, "finite"), (np.inf, "finite"), (0.0, "alike")])
def test_undefined_cases_say_why(value: float, word: str) -> None:
    accuracy, reason = cluster_accuracy(np.full((10, 3), value), np.zeros(10, np.int32))
    assert accuracy is None
    assert word in reason


def test_features_are_means_and_deviations_of_in_and_out_weights() -> None:
    source, target = np.array([0, 1, 0], np.int32), np.array([1, 2, 2], np.int32)
    weight = np.array([1.0, 2.0, 4.0])
    features = neuron_features(np.ones((3, 2)), np.full(3, 0.1), np.full(3, 0.5), weight, source, target)
    np.testing.assert_allclose(features[0], [1, 1, 0.1, 0.5, 0, 0, 2.5, 1.5])
    np.testing.assert_allclose(features[2], [1, 1, 0.1, 0.5, 3.0, 1.0, 0, 0])
