"""The L1 and L2 penalties on the parameters themselves, and their gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from state.config import TrainingConfig
from trainer.fit.signal_penalties import TINY
from trainer.model.gnn import GNN
from trainer.model.perceptron import Perceptron


@dataclass
class _Term:
    """A penalty on one part of the parameters; ``l1`` and ``l2`` are 0-d tensors on the device.

    ``tensors`` are pairs (values, gradients) of views, each with an L2 norm of its own.
    """

    part: slice
    n_constant: int
    coefficients: tuple[float, float]
    l1: Tensor
    l2: Tensor
    tensors: list[tuple[Tensor, Tensor]]

    def square(self, p: Tensor) -> Tensor:
        """||p||_2^2; one tensor alone may hold the constant ones, which are not counted."""
        constant = self.n_constant if len(self.tensors) == 1 else 0
        flat = p.reshape(-1)
        return (torch.dot(flat, flat) - constant).clamp_min(TINY**2)


class WeightPenalties:
    """coeff_L1 * ||p||_1 + coeff_L2 * ||p||_2 for p = W, g_phi and f_theta.

    The L2 norms of a perceptron's tensors (weights and biases of each layer) are summed, or taken as one norm with
    `perceptron_norms: per_network`. W's L2 is skipped while its L1 is on, unless `W_L2_beside_L1: added`. One strength
    multiplies all six (annealing).
    """

    def __init__(self, training: TrainingConfig, model: GNN) -> None:
        self.model = model
        t, new = training, model.theta.new_tensor
        w_l2 = 0.0 if t.W_L2_beside_L1 == "skipped" and t.coeff_W_L1 > 0 else t.coeff_W_L2
        pairs = {
            "W": (t.coeff_W_L1, w_l2),
            "g_phi": (t.coeff_g_phi_weight_L1, t.coeff_g_phi_weight_L2),
            "f_theta": (t.coeff_f_theta_weight_L1, t.coeff_f_theta_weight_L2),
        }
        apart = t.perceptron_norms == "per_tensor"
        self._terms = [
            _Term(
                model.groups[name],
                _constant_ones(model, name),
                pair,
                new(pair[0]),
                new(pair[1]),
                _tensors(model, name, apart),
            )
            for name, pair in pairs.items()
        ]

    def set_strength(self, strength: float) -> None:
        """Scale all six coefficients from now on."""
        for term in self._terms:
            term.l1.fill_(term.coefficients[0] * strength)
            term.l2.fill_(term.coefficients[1] * strength)

    def add_gradient(self) -> None:
        """Add the penalties' gradients, and clear what would move the constant rows of the matrices."""
        model = self.model
        for term in self._terms:
            if term.coefficients[0]:
                model.gradient[term.part].addcmul_(torch.sign(model.theta[term.part]), term.l1)
            for p, d in term.tensors if term.coefficients[1] else ():
                d.addcmul_(p, term.l2 * term.square(p).rsqrt())
        networks = model.networks
        model.gradient[networks].mul_(model.trained[networks])

    def value(self) -> Tensor:
        """The sum of the penalties, a 0-d tensor."""
        total = self.model.theta.new_zeros(())
        for term in self._terms:
            total = total + term.l1 * (self.model.theta[term.part].abs().sum() - term.n_constant)
            for p, _ in term.tensors:
                total = total + term.l2 * term.square(p).sqrt()
        return total


def _tensors(model: GNN, name: str, apart: bool) -> list[tuple[Tensor, Tensor]]:
    """Values and gradients of a part: as a whole, or of a perceptron's weights and biases ``apart``."""
    part = model.groups[name]
    if name == "W" or not apart:
        return [(model.theta[part], model.gradient[part])]
    perceptron: Perceptron = getattr(model, name)
    last = len(perceptron.matrices) - 1
    pairs = []
    for layer, both in enumerate(zip(perceptron.matrices, perceptron.gradients, strict=True)):
        rows = slice(None) if layer == last else slice(None, -1)
        for columns in (slice(None, -1), -1):
            value, gradient = (matrix[rows, columns] for matrix in both)
            pairs.append((value, gradient))
    return pairs


def _constant_ones(model: GNN, name: str) -> int:
    """How many constant ones stand in the augmented matrices of a perceptron (0 for W)."""
    return 0 if name == "W" else len(getattr(model, name).matrices) - 1
