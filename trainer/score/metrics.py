"""How well the true parameters are recovered.

Every R2 here is that of the least-squares line learned = slope * true + b, that is the squared Pearson correlation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.model.protocol import Model

if TYPE_CHECKING:
    from trainer.fly.connectome import Connectome
    from trainer.fly.simulate import Recording

Array = NDArray[np.float64]

N_GRID = 32  # points of each neuron's range at which its line is fitted
N_GRADIENT_FRAMES = 8
MIN_SIGMA = 1e-3  # least standard deviation of a neuron's voltage that counts; a smaller one is taken as this


@dataclass(frozen=True)
class Score:
    """An R2 with the slope of its line, or neither and the reason."""

    r2: float | None
    slope: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Activity:
    """Mean and standard deviation of each neuron's voltage [N], and the standard deviation over everything."""

    mu: Tensor
    sigma: Tensor
    std: float


@dataclass(frozen=True)
class Recovered:
    """What the trained network says the parameters are: W [E], tau [N] in s, V_rest [N].

    ``flat``: neurons whose f_theta does not change with their voltage, which leaves all three undefined there.
    """

    W: Array
    tau: Array
    V_rest: Array
    flat: int = 0


def activity(data: Recording) -> Activity:
    """Statistics of the training voltages [F, N], noise included."""
    sigma, mu = torch.std_mean(data.voltage, dim=0, correction=0)
    # Total variance = mean of the neurons' variances + variance of their means, so the frames are read once.
    std = float(((sigma.double() ** 2).mean() + mu.double().var(correction=0)).sqrt())
    return Activity(mu, sigma, std)


def score(learned: Array, true: Array | NDArray[np.float32]) -> Score:
    """R2 and slope of the line learned ~ true; a constant or non-finite side leaves them undefined."""
    learned, true = learned.ravel().astype(np.float64), true.ravel().astype(np.float64)
    if not np.isfinite(true).all():
        return Score(None, reason="the true values are not all finite")
    if not np.isfinite(learned).all():
        return Score(None, reason=f"{np.count_nonzero(~np.isfinite(learned))} learned values are not finite")
    if len(true) < 2 or np.ptp(true) <= 1e-9 * max(1.0, float(np.abs(true).max())):
        return Score(None, reason="the true values are constant")
    if np.ptp(learned) == 0.0:
        return Score(None, reason="the learned values are constant")
    x, y = true - true.mean(), learned - learned.mean()
    xy, xx, yy = float(x @ y), float(x @ x), float(y @ y)
    if not (np.isfinite(yy) and yy > 0.0):
        return Score(None, reason="the spread of the learned values is out of range")
    return Score(min(1.0, xy * xy / (xx * yy)), xy / xx)


def recover(model: Model, data: Recording, stats: Activity) -> Recovered:
    """Read tau, V_rest and W out of the trained functions.

    tau_i = -1/slope_i clipped to [0, 1]; V_rest_i = -offset_i/slope_i; W_ij corrected for the scales that f_theta and
    g_phi share with it: -W_ij / slope_i * (d f_theta / d msg)_i * slope_g_j.

    slope, offset: see `update_lines`; slope_g: `signal_slopes`; the gradient: `message_gains`.
    """
    slope, offset = (x.double().cpu().numpy() for x in update_lines(model, stats))
    slope_g = signal_slopes(model, stats).double().cpu().numpy()
    gain = message_gains(model, data)
    source, target = model.source.cpu().numpy(), model.target.cpu().numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        tau = np.clip(np.where(slope == 0.0, 1.0, -1.0 / slope), 0.0, 1.0)
        rest = -offset / slope
        weight = -model.W.double().cpu().numpy() * (gain / slope)[target] * slope_g[source]
    return Recovered(weight, tau, rest, int(np.count_nonzero(slope == 0.0)))


def update_lines(model: Model, stats: Activity) -> tuple[Tensor, Tensor]:
    """Least-squares slope and offset [N] of f_theta(v, a_i, msg=0, I=0) over v in mu_i -+ 2 sigma_i."""
    half = 2.0 * stats.sigma.clamp_min(MIN_SIGMA)
    v = _grid(stats.mu - half, stats.mu + half)
    out = model.update(v, torch.zeros_like(v), None)
    return _line(v, out)


def signal_slopes(model: Model, stats: Activity) -> Tensor:
    """Least-squares slope [N] of the signal g_phi(v, a_j)^2 over the positive part of mu_j -+ 2 sigma_j.

    Where the range has no positive part the source is silent: its scale cannot be known and is taken as 1.
    """
    half = 2.0 * stats.sigma.clamp_min(MIN_SIGMA)
    low, high = (stats.mu - half).clamp_min(0.0), stats.mu + half
    silent = is_silent(stats)
    v = _grid(low, torch.where(silent, low + 1.0, high))
    return torch.where(silent, 1.0, _line(v, model.signal(v))[0])


def signal_curves(model: Model, stats: Activity) -> tuple[Tensor, Tensor]:
    """Voltages [N_GRID] over the range of all neurons, and there each neuron's g_phi^2 over its slope [N_GRID, N]."""
    low, high = (stats.mu - 2.0 * stats.sigma).min(), (stats.mu + 2.0 * stats.sigma).max()
    v = low + (high - low) * torch.linspace(0, 1, N_GRID, device=low.device, dtype=low.dtype)
    signals = model.signal(v[:, None].expand(-1, len(stats.mu)).contiguous())
    return v, signals.double() / signal_slopes(model, stats)


def is_silent(stats: Activity) -> Tensor:
    """[N] bool: mu + 2 sigma is not positive, so that the neuron hardly ever sends anything."""
    return stats.mu + 2.0 * stats.sigma.clamp_min(MIN_SIGMA) <= 1e-6


def message_gains(model: Model, data: Recording) -> Array:
    """Median over 8 frames, evenly spread over the recording, of d f_theta / d msg at each neuron, [N]."""
    frames = torch.linspace(0, len(data.voltage) - 1, N_GRADIENT_FRAMES).round().long().to(data.voltage.device)
    v = data.voltage[frames]
    gains = model.message_gain(v, model.messages(v), data.stimulus[frames])
    found: Array = np.median(gains.double().cpu().numpy(), axis=0)
    return found


def active_score(found: Recovered, truth: Connectome, stats: Activity) -> tuple[Score, int]:
    """connectivity_R2 over the edges whose source ever sends, and how many neurons never do.

    A silent source's weights leave no trace in the data, so nothing but the penalties on W decides what is learned.
    """
    silent = is_silent(stats).cpu().numpy()
    sends = ~silent[truth.source]
    return score(found.W[sends], truth.weight[sends]), int(silent.sum())


def recovery_scores(found: Recovered, truth: Connectome) -> dict[str, Score]:
    """connectivity_R2, tau_R2 and V_rest_R2 against the truth."""
    scores = {
        "connectivity_R2": score(found.W, truth.weight),
        "tau_R2": score(found.tau, truth.tau),
        "V_rest_R2": score(found.V_rest, truth.V_rest),
    }
    if found.flat:
        why = Score(None, reason=f"f_theta is flat in {found.flat:,} neurons")
        return {name: why if one.r2 is None else one for name, one in scores.items()}
    return scores


def _grid(low: Tensor, high: Tensor) -> Tensor:
    """N_GRID evenly spaced values per neuron, [N_GRID, N]."""
    return low + (high - low) * torch.linspace(0, 1, N_GRID, device=low.device, dtype=low.dtype)[:, None]


def _line(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Least-squares slope and offset of each column."""
    x, y = x.double(), y.double()
    middle = x.mean(0)
    slope = ((x - middle) * (y - y.mean(0))).sum(0) / (x - middle).square().sum(0)
    return slope, y.mean(0) - slope * middle
