"""The loss as equations, with autograd: the reference that the hand-written iteration must equal. Slow.

Written from the definitions alone, apart from the hand-written passes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from state.config import TrainingConfig
from trainer.model.pyg import PygModel, apart

if TYPE_CHECKING:
    from trainer.fly.simulate import Recording

STEP_RELATIVE, STEP_ADDITIVE = 1.05, 0.05  # the latter in units of xnorm


class PygStep:
    """The loss of a batch and, by autograd, its gradient: a `trainer.model.protocol.TrainingStep`."""

    def __init__(self, model: PygModel, data: Recording, training: TrainingConfig, xnorm: float) -> None:
        self.model, self.data, self.training, self.xnorm = model, data, training, xnorm
        self.batch, self.strength = training.batch_size, 1.0
        self.loss = self._total = model.theta.new_zeros(())

    def __call__(self, frames: Tensor, iteration: int) -> None:
        """Fill ``model.gradient``; ``frames`` [B] are indices into the recording."""
        self.model.gradient.zero_()
        with apart(grad=True):
            chosen = frames.clone()
            v, target, light = (part[chosen] for part in (self.data.voltage, self.data.derivative, self.data.stimulus))
            fit = (self.model.module(v, light) - target).norm(2)
            total = fit + self.signal_penalties(v, iteration) + self.weight_penalties()
            total.backward()
        self.loss, self._total = fit.detach(), total.detach()

    def set_strength(self, strength: float) -> None:
        """Scale the L1 and L2 penalties from now on."""
        self.strength = strength

    def total_loss(self) -> Tensor:
        """Data term and all penalties of the last call."""
        return self._total

    def signal_penalties(self, v: Tensor, iteration: int) -> Tensor:
        """coeff_g_phi_diff ||relu(s(v) - s(v'))|| + coeff_g_phi_norm ||s(2 xnorm) - 2 xnorm||, s = g_phi^2."""
        t, module = self.training, self.model.module
        n, stride = v.shape[1], min(t.penalty_stride, v.shape[1])
        some = (torch.arange(0, n, stride, device=v.device) + iteration % stride) % n
        v = (v[:1] if t.penalty_frames == "one" else v)[:, some]
        a = module.a[some]
        a = a.detach() if t.penalty_embedding == "fixed" else a
        further = v + STEP_ADDITIVE * self.xnorm if t.g_phi_diff_step == "additive" else STEP_RELATIVE * v
        drop = torch.relu(module.signal(v, a) - module.signal(further, a))
        high = torch.full_like(v[0], 2 * self.xnorm)
        off = module.signal(high, a) - 2 * self.xnorm
        return math.sqrt(stride) * (t.coeff_g_phi_diff * _norm(drop) + t.coeff_g_phi_norm * _norm(off))

    def weight_penalties(self) -> Tensor:
        """strength * sum of coeff_L1 ||p||_1 + coeff_L2 ||p||_2 over W, g_phi and f_theta."""
        t, module = self.training, self.model.module
        total = t.coeff_W_L1 * module.W.abs().sum()
        if t.coeff_W_L1 == 0 or t.W_L2_beside_L1 == "added":
            total = total + t.coeff_W_L2 * _norm(module.W)
        networks = (
            (module.g_phi, t.coeff_g_phi_weight_L1, t.coeff_g_phi_weight_L2),
            (module.f_theta, t.coeff_f_theta_weight_L1, t.coeff_f_theta_weight_L2),
        )
        for network, l1, l2 in networks:
            tensors = list(network.parameters())
            if t.perceptron_norms == "per_network":
                tensors = [torch.cat([tensor.reshape(-1) for tensor in tensors])]
            for tensor in tensors:
                total = total + l1 * tensor.abs().sum() + l2 * _norm(tensor)
        found: Tensor = self.strength * total
        return found


def _norm(x: Tensor) -> Tensor:
    """||x||_2 whose gradient at 0 is 0."""
    found: Tensor = torch.linalg.vector_norm(x)
    return found
