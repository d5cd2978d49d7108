"""What else keeps W in check at each step: a limit on its gradient, and a pull to exactly 0."""

from __future__ import annotations

import torch
from torch import Tensor

from state.config import TrainingConfig
from trainer.fit.adam import Adam

SMALL = 1e-6  # added to a norm that is divided by, as in torch's clip_grad_norm_


def limit(adam: Adam, W: slice, training: TrainingConfig) -> None:
    """Have ``adam`` obey grad_clip_W and coeff_W_L1_proximal on the part ``W`` of its vector; 0 leaves it as it is."""
    if training.grad_clip_W > 0:
        adam.before.append(lambda: clip(adam.gradient[W], training.grad_clip_W))
    if training.coeff_W_L1_proximal > 0:
        adam.after.append(lambda: shrink(adam.theta[W], training.coeff_W_L1_proximal))


def clip(gradient: Tensor, largest: float) -> None:
    """Scale ``gradient`` [P] in place so that its norm is at most ``largest``; nothing is read back from the device."""
    norm = torch.linalg.vector_norm(gradient)
    gradient.mul_((largest / (norm + SMALL)).clamp_max_(1.0))


def shrink(values: Tensor, by: float) -> None:
    """Soft threshold in place: each of ``values`` [P] moves by ``by`` towards 0 and stops there."""
    values.copy_(torch.nn.functional.softshrink(values, by))
