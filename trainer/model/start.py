"""Where training starts: W and the perceptrons, drawn from one generator on the CPU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from state.config import TrainingConfig

LATER_STD = 0.1  # of the weights behind the first layer, with `init: predecessor`


def draw_weights(training: TrainingConfig, n_neurons: int, n_edges: int, generator: torch.Generator) -> Tensor:
    """W [E]: zeros; or drawn with scale s = w_init_scale / sqrt(count), from N(0, s) or uniformly from +-s.

    count: the number of edges, as the predecessor has it, or the mean number of inputs of a neuron (`w_init_per`).
    """
    if training.w_init_mode == "zeros":
        return torch.zeros(n_edges)
    count = n_edges if training.w_init_per == "edges" else max(1.0, n_edges / n_neurons)
    scale = training.w_init_scale / math.sqrt(count)
    if training.w_init_mode == "uniform_scaled":
        return (torch.rand(n_edges, generator=generator) * 2 - 1) * scale
    return torch.randn(n_edges, generator=generator) * scale


def draw_perceptron(
    shapes: Sequence[tuple[int, int]], init: Literal["predecessor", "fan_in"], generator: torch.Generator
) -> list[Tensor]:
    """The augmented matrices of a perceptron (`trainer.model.perceptron.layer_shapes`); constant rows hold anything.

    Uniform in +-1/sqrt(fan-in), biases included (torch's default for a linear layer); with `predecessor` that is so in
    the first layer only, and later weights are normal with standard deviation LATER_STD, later biases 0.
    """
    matrices = []
    for layer, shape in enumerate(shapes):
        if layer == 0 or init == "fan_in":
            matrices.append((torch.rand(shape, generator=generator) * 2 - 1) * (1.0 / math.sqrt(shape[1] - 1)))
            continue
        drawn = torch.randn(shape, generator=generator) * LATER_STD
        drawn[:, -1] = 0.0
        matrices.append(drawn)
    return matrices
