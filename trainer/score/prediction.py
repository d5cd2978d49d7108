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


def one_step_scores(model: Model, test: Recording, delta_t: float, batch: int = 64) -> tuple[Score, float | None]:
    """Two figures of all held-out frames from one pass of the model over them, ``batch`` frames at a time.

    R2 of the predicted against the true derivative over all frames and neurons; and, the newest predecessor's
    `onestep_pearson`, the mean over neurons of Pearson r between the true next voltage and v + delta_t * the predicted
    derivative, where neurons whose true next voltage does not vary are left out.
    """
    sums = test.voltage.new_zeros(6, dtype=torch.float64)
    of_neurons = test.voltage.new_zeros(5, test.voltage.shape[1], dtype=torch.float64)
    middle = test.voltage.mean(0).double()  # each neuron's sums are taken about it, so that no digits are lost
    for start in range(0, len(test.voltage), batch):
        part = slice(start, start + batch)
        predicted = derivative(model, test.voltage[part], test.stimulus[part])
        v, x, y = (rows.double() for rows in (test.voltage[part], test.derivative[part], predicted))
        sums += torch.stack([x.new_tensor(x.numel()), x.sum(), y.sum(), (x * x).sum(), (x * y).sum(), (y * y).sum()])
        x, y = (v + delta_t * change - middle for change in (x, y))  # from here on the next voltages
        of_neurons += torch.stack([one.sum(0) for one in (x, y, x * x, x * y, y * y)])
    return _line(sums), _mean_correlation(of_neurons, len(test.voltage))


def _line(sums: Tensor) -> Score:
    """R2 and slope from the sums of 1, x, y, x^2, xy, y^2."""
    n, x1, y1, xx, xy, yy = sums.tolist()
    if not all(np.isfinite((y1, xy, yy))):
        return Score(None, reason="the predicted derivative is not finite")
    var_x, var_y, cov = xx - x1 * x1 / n, yy - y1 * y1 / n, xy - x1 * y1 / n
    if var_x <= 0.0 or var_y <= 0.0:
        return Score(None, reason="the true or the predicted derivative is constant")
    return Score(min(1.0, cov * cov / (var_x * var_y)), cov / var_x)


def _mean_correlation(sums: Tensor, n: int) -> float | None:
    """Mean r over the columns that vary, from the sums [5, N] of x, y, x^2, xy, y^2 over ``n`` frames."""
    x1, y1, xx, xy, yy = sums / n
    sx, sy = (xx - x1 * x1).clamp_min(0).sqrt(), (yy - y1 * y1).clamp_min(0).sqrt()
    moving = sx > TRACE_STD
    if not bool(torch.isfinite(sums).all()) or not bool(moving.any()):
        return None
    r = torch.where(sy > TRACE_STD, (xy - x1 * y1) / (sx * sy).clamp_min(1e-300), 0.0)
    return float(r[moving].mean())


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
