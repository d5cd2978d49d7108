"""Where training starts, against the definitions in words."""

from __future__ import annotations

import math

import pytest
import torch

from state.config import TrainingConfig
from trainer.model.perceptron import layer_shapes
from trainer.model.start import LATER_STD, draw_perceptron, draw_weights

N, E = 400, 40_000


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


@pytest.mark.parametrize(("per", "std"), [("edges", 1 / math.sqrt(E)), ("inputs", 1 / math.sqrt(E / N))])
def test_random_weights_have_the_standard_deviation_of_their_definition(per: str, std: float) -> None:
    training = TrainingConfig.model_validate({"w_init_per": per, "w_init_scale": 2.0})
    weights = draw_weights(training, N, E, generator())
    assert float(weights.std()) == pytest.approx(2 * std, rel=0.02)
    assert abs(float(weights.mean())) < 0.05 * std


def test_uniform_weights_fill_their_range() -> None:
    training = TrainingConfig(w_init_mode="uniform_scaled", w_init_scale=2.0)
    weights = draw_weights(training, N, E, generator()) * math.sqrt(E)
    assert float(weights.abs().max()) <= 2.0
    assert float(weights.std()) == pytest.approx(2.0 / math.sqrt(3), rel=0.02)
    assert float(weights.max()) > 1.99
    assert float(weights.min()) < -1.99


def test_zeros_are_zeros() -> None:
    assert not draw_weights(TrainingConfig(w_init_mode="zeros"), N, E, generator()).any()


def test_the_predecessors_perceptron_is_uniform_in_the_first_layer_and_normal_after_it() -> None:
    first, hidden, last = draw_perceptron(layer_shapes(5, 80, 3), "predecessor", generator())
    assert float(first[:-1].abs().max()) <= 1 / math.sqrt(5)
    assert float(first[:-1, -1].std()) == pytest.approx(1 / math.sqrt(15), rel=0.2)  # the biases too
    assert float(hidden[:-1, :-1].std()) == pytest.approx(LATER_STD, rel=0.03)
    assert float(hidden[:-1, :-1].abs().max()) > 3 * LATER_STD  # a normal distribution has tails
    assert float(last[:, :-1].std()) == pytest.approx(LATER_STD, rel=0.3)
    assert not hidden[:-1, -1].any()
    assert not last[:, -1].any()


def test_fan_in_is_uniform_everywhere() -> None:
    for matrix in draw_perceptron(layer_shapes(5, 80, 4), "fan_in", generator()):
        bound = 1 / math.sqrt(matrix.shape[1] - 1)
        rows = matrix if matrix.shape[0] == 1 else matrix[:-1]
        assert float(rows.abs().max()) <= bound
        assert float(rows.std()) == pytest.approx(bound / math.sqrt(3), rel=0.2)
        assert rows[:, -1].any()
