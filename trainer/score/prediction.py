"""How well held-out activity is predicted: one step ahead, and in a rollout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from trainer.model.protocol import Model, derivative
from trainer.score.metrics import Score

if TYPE_CHECKING:
    from trainer.fly.simulate import Dataset, Recording

TRACE_STD = 1e-6  # a trace that varies less has no correlation


@dataclass(frozen=True)
class RolloutScore:
    """Mean and median of Pearson r over the ``neurons`` that have one, or None and the reason."""

    mean: float | None
    median: float | None = None
    neurons: int = 0
    reason: str = ""


def one_step_score(model: Model, test: Recording, batch: int = 64) -> Score:
    """R2 of the predicted against the true derivative over all held-out frames and neurons."""
    sums = torch.zeros(6, dtype=torch.float64, device=test.voltage.device)
    for start in range(0, len(test.voltage), batch):
        part = slice(start, start + batch)
        y = derivative(model, test.voltage[part], test.stimulus[part]).double()
        x = test.derivative[part].double()
        sums += torch.stack([x.new_tensor(x.numel()), x.sum(), y.sum(), (x * x).sum(), (x * y).sum(), (y * y).sum()])
    n, x1, y1, xx, xy, yy = sums.tolist()
    if not all(np.isfinite((y1, xy, yy))):
        return Score(None, reason="the predicted derivative is not finite")
    var_x, var_y, cov = xx - x1 * x1 / n, yy - y1 * y1 / n, xy - x1 * y1 / n
    if var_x <= 0.0 or var_y <= 0.0:
        return Score(None, reason="the true or the predicted derivative is constant")
    return Score(min(1.0, cov * cov / (var_x * var_y)), cov / var_x)


def rollout(model: Model, data: Dataset, delta_t: float) -> Tensor:
    """Noise-free traces [T, N] of the trained network: v += delta_t * dv/dt from the true start, held-out stimulus."""
    v, traces = data.rollout_start[None], torch.empty_like(data.rollout_voltage)
    for step in range(len(traces)):
        traces[step] = v[0]
        v = v + delta_t * derivative(model, v, data.rollout_stimulus[step : step + 1])
    return traces


def rollout_scores(traces: Tensor, true: Tensor) -> RolloutScore:
    """Pearson r between traces [T, N] of each neuron; its mean is test_pearson.

    A neuron whose true trace varies by no more than TRACE_STD has no r and is left out; a predicted trace that does not
    vary counts as 0. r is bounded, so a neuron that hardly moves cannot spoil the mean by more than its share; the
    median tells when many do.
    """
    if not bool(torch.isfinite(traces).all()):
        return RolloutScore(None, reason="the rollout left the finite range")
    x, y = (t.double() - t.double().mean(0) for t in (true, traces))
    sx, sy = x.square().mean(0).sqrt(), y.square().mean(0).sqrt()
    moving = sx > TRACE_STD
    if not bool(moving.any()):
        return RolloutScore(None, reason="no neuron's true trace varies")
    if not bool(torch.isfinite(sy).all()):
        return RolloutScore(None, reason="the spread of the rollout is out of range")
    r = torch.where(sy > TRACE_STD, (x * y).mean(0) / (sx * sy).clamp_min(1e-300), 0.0)[moving]
    return RolloutScore(float(r.mean()), float(np.median(r.cpu().numpy())), len(r))
