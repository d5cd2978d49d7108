"""What training and metrics need of a model, whichever backend computes it."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from state.config import TrainingConfig


class Model(Protocol):
    """dv_i/dt = f_theta(v_i, a_i, sum_j W_ij g_phi(v_j, a_j)^2, I_i) with all parameters in one flat vector.

    ``theta`` and ``gradient`` [P]; ``groups`` says where W, embedding, g_phi and f_theta stand in them. ``W`` [E] and
    ``a`` [D, N] are views of theta; ``source`` and ``target`` [E] the neurons of each edge. B is any number of frames.
    """

    theta: Tensor
    gradient: Tensor
    groups: dict[str, slice]
    source: Tensor
    target: Tensor

    @property
    def W(self) -> Tensor: ...

    @property
    def a(self) -> Tensor: ...

    def initialise(self, training: TrainingConfig) -> None:
        """Draw all parameters from ``training.seed``; the same on every device and with every backend."""

    def signal(self, v: Tensor) -> Tensor:
        """What each neuron sends, g_phi(v, a)^2; [B, N] -> [B, N]."""

    def messages(self, v: Tensor) -> Tensor:
        """sum_j W_ij g_phi(v_j, a_j)^2; [B, N] -> [B, N]."""

    def update(self, v: Tensor, message: Tensor, stimulus: Tensor | None) -> Tensor:
        """f_theta [B, N] at states and messages [B, N] and stimulus [B, n_in] of the input neurons (None = dark)."""

    def message_gain(self, v: Tensor, message: Tensor, stimulus: Tensor | None) -> Tensor:
        """d f_theta / d message [B, N] at the same point."""


class TrainingStep(Protocol):
    """One iteration's forward and backward pass; fills the model's ``gradient``."""

    @property
    def batch(self) -> int: ...

    @property
    def loss(self) -> Tensor:
        """The data term ||pred - dv/dt||_2 of the last call, 0-d."""

    def __call__(self, frames: Tensor, iteration: int) -> None:
        """``frames`` [B]: indices into the recording; ``iteration`` turns the subset that penalties look at."""

    def set_strength(self, strength: float) -> None:
        """Scale the L1 and L2 penalties from now on (annealing)."""

    def total_loss(self) -> Tensor:
        """Data term and all penalties of the last call, 0-d."""


def derivative(model: Model, v: Tensor, stimulus: Tensor) -> Tensor:
    """Predicted dv/dt [B, N] in 1/s from states [B, N] and the stimulus [B, n_in] of the input neurons."""
    return model.update(v, model.messages(v), stimulus)
