"""The penalties of the loss and their gradients; which rows of g_phi they need. Knows no data and no optimiser."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from state.config import TrainingConfig
from trainer.model.gnn import GNN

STEP_UP = 1.05  # the message at 1.05 v must not be smaller than at v
TINY = 1e-12


class SignalPenalties:
    """The two penalties on s(v, a) = g_phi(v, a)^2, the signal that a neuron sends.

    diff: coeff_g_phi_diff * ||relu(s(v) - s(1.05 v))||_2 over all frames and neurons of the batch (monotone messages).
    norm: coeff_g_phi_norm * ||s(2 xnorm) - 2 xnorm||_2 over the neurons (fixes the scale that W and g_phi share).
    With a stride k both see every k-th neuron, starting one further at each iteration, and are scaled by sqrt(k), so
    that a penalty spread evenly over the neurons keeps its size.
    """

    def __init__(self, training: TrainingConfig, model: GNN, batch: int, xnorm: float) -> None:
        stride = min(training.penalty_stride, model.n_neurons)
        self.model, self.batch, self.stride = model, batch, stride
        scale = math.sqrt(stride)
        self.diff, self.norm = training.coeff_g_phi_diff * scale, training.coeff_g_phi_norm * scale
        self.level = 2.0 * xnorm
        every = torch.arange(0, model.n_neurons, stride, device=model.theta.device)
        # Each subset holds a neuron once: what wraps around stays below the subset's own start.
        self._subsets = [(every + offset) % model.n_neurons for offset in range(stride)]
        self.n_subset = len(every)
        self.n_diff = batch * self.n_subset if self.diff > 0 else 0
        self.n_norm = self.n_subset if self.norm > 0 else 0
        self.loss = model.theta.new_zeros(2)

    def table(self) -> Tensor | None:
        """All subsets [stride, n_subset] in their turn, for a device that picks its own; None = no turns."""
        return None if self.stride == 1 else torch.stack(self._subsets)

    def subset(self, iteration: int) -> Tensor | None:
        """The neurons whose penalties count at ``iteration``; None = all of them."""
        return None if self.stride == 1 else self._subsets[iteration % self.stride]

    def fill(self, rows: Tensor, subset: Tensor | None) -> None:
        """Write the penalty rows behind the ``batch * N`` rows of the data in ``rows`` [D + 2, R]."""
        start = self.batch * self.model.n_neurons
        v, a = rows[0, :start].view(self.batch, -1), self.model.a
        if subset is not None:
            v, a = v.index_select(1, subset), a.index_select(1, subset)
        if self.n_diff:
            torch.mul(v, STEP_UP, out=rows[0, start : start + self.n_diff].view_as(v))
            rows[1:-1, start : start + self.n_diff].view(len(a), self.batch, -1).copy_(a[:, None, :])
        if self.n_norm:
            rows[0, start + self.n_diff :].fill_(self.level)
            rows[1:-1, start + self.n_diff :].copy_(a)

    def gradient(self, signal: Tensor, d_signal: Tensor, subset: Tensor | None) -> None:
        """From all signals [R], add to the data part of ``d_signal`` [R] and fill its penalty part."""
        start = self.batch * self.model.n_neurons
        middle = start + self.n_diff
        if self.n_diff:
            here = signal[:start].view(self.batch, -1)
            here = here if subset is None else here.index_select(1, subset)
            drop = torch.relu_(here - signal[start:middle].view_as(here))
            length = torch.linalg.vector_norm(drop)
            drop.mul_(self.diff / length.clamp_min(TINY))
            torch.neg(drop, out=d_signal[start:middle].view_as(drop))
            data = d_signal[:start].view(self.batch, -1)
            data.add_(drop) if subset is None else add_columns(data, subset, drop)
            torch.mul(length, self.diff, out=self.loss[0])
        if self.n_norm:
            off = signal[middle:] - self.level
            length = torch.linalg.vector_norm(off)
            torch.mul(off, self.norm / length.clamp_min(TINY), out=d_signal[middle:])
            torch.mul(length, self.norm, out=self.loss[1])

    def embedding_gradient(self, d_rows: Tensor, subset: Tensor | None) -> None:
        """Set the embedding's gradient from ``d_rows`` [D, R], the gradients of the rows' a parts."""
        start = self.batch * self.model.n_neurons
        d_a, depth = self.model.d_a, len(d_rows)
        torch.sum(d_rows[:, :start].view(depth, self.batch, -1), 1, out=d_a)
        parts = []
        if self.n_diff:
            parts.append(d_rows[:, start : start + self.n_diff].view(depth, self.batch, -1).sum(1))
        if self.n_norm:
            parts.append(d_rows[:, start + self.n_diff :])
        for part in parts:
            d_a.add_(part) if subset is None else add_columns(d_a, subset, part)


def add_columns(to: Tensor, columns: Tensor, part: Tensor) -> None:
    """to[:, columns] += part for columns that are all different, in the same order of sums at every call."""
    if to.device.type == "cpu":
        to.index_add_(1, columns, part)
    else:
        # Adding in place uses atomics on a GPU, or a slow sort where they are forbidden; here neither is needed.
        to.index_copy_(1, columns, to.index_select(1, columns).add_(part))


@dataclass
class _Term:
    """The two penalties on one part of the parameters; ``l1`` and ``l2`` are 0-d tensors on the device."""

    part: slice
    n_constant: int
    coefficients: tuple[float, float]
    l1: Tensor
    l2: Tensor

    def square(self, p: Tensor) -> Tensor:
        """||p||_2^2 without the constant ones among ``p``."""
        return (torch.dot(p, p) - self.n_constant).clamp_min(TINY**2)


class WeightPenalties:
    """coeff_L1 * ||p||_1 + coeff_L2 * ||p||_2 for p = W, all parameters of g_phi, all parameters of f_theta.

    L1 and L2 act together. One strength multiplies all six (annealing).
    """

    def __init__(self, training: TrainingConfig, model: GNN) -> None:
        self.model = model
        pairs = {
            "W": (training.coeff_W_L1, training.coeff_W_L2),
            "g_phi": (training.coeff_g_phi_weight_L1, training.coeff_g_phi_weight_L2),
            "f_theta": (training.coeff_f_theta_weight_L1, training.coeff_f_theta_weight_L2),
        }
        new = model.theta.new_tensor
        self._terms = [
            _Term(model.groups[name], _constant_ones(model, name), pair, new(pair[0]), new(pair[1]))
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
            p, d = model.theta[term.part], model.gradient[term.part]
            if term.coefficients[0]:
                d.addcmul_(torch.sign(p), term.l1)
            if term.coefficients[1]:
                d.addcmul_(p, term.l2 * term.square(p).rsqrt())
        networks = model.networks
        model.gradient[networks].mul_(model.trained[networks])

    def value(self) -> Tensor:
        """The sum of the penalties, a 0-d tensor."""
        total = self.model.theta.new_zeros(())
        for term in self._terms:
            p = self.model.theta[term.part]
            total = total + term.l1 * (p.abs().sum() - term.n_constant) + term.l2 * term.square(p).sqrt()
        return total


def _constant_ones(model: GNN, name: str) -> int:
    """How many constant ones stand in the augmented matrices of a perceptron (0 for W)."""
    return 0 if name == "W" else len(getattr(model, name).matrices) - 1
