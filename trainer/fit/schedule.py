"""When training does what: phases, learning-rate factors, measured iterations, annealing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from state.config import Scalar, SlotConfig, TrainingConfig
from state.records import Phase

LEAST_RATE = 1e-6  # least factor of a scheduler on the learning rates; 0 would divide by 0
BLOCK = 250  # iterations between two looks at the loss, at the clock and at the annealing


@dataclass(frozen=True)
class Stage:
    """A run of iterations with fixed learning rates; ``points`` are the iterations (within it) that are measured."""

    epoch: int
    phase: Phase
    points: tuple[int, ...]
    fast: float = 1.0  # factor on the learning rates of W and g_phi
    starts_anew: bool = False  # whether Adam forgets what it has averaged


def iterations_per_epoch(config: SlotConfig) -> int:
    """int(n_frames * data_augmentation_loop / batch_size * 0.2), at least 1."""
    t = config.training
    return max(1, int(config.simulation.n_frames * t.data_augmentation_loop / t.batch_size * 0.2))


def stages(config: SlotConfig) -> list[Stage]:
    """The phases of all epochs in order.

    Two-stage: int(Niter * alternate_joint_ratio) iterations `joint` at full rates, then the rest as `V_rest` with W and
    g_phi at alternate_lr_ratio. Standard: one phase. An epoch has n_metric_points measured iterations, shared between
    its phases; the last iteration of each phase is always one.
    """
    t, n = config.training, iterations_per_epoch(config)
    joint = max(1, int(n * t.alternate_joint_ratio))
    result: list[Stage] = []
    for epoch in range(t.n_epochs):
        if not t.alternate_training:
            anew = epoch > 0 and t.adam_restart == "standard_epochs"
            result.append(Stage(epoch, "standard", _points(n, t.n_metric_points), starts_anew=anew))
            continue
        here = t.n_metric_points if joint == n else round(t.n_metric_points * joint / n)
        here = here if joint == n else min(max(1, here), t.n_metric_points - 1)
        result.append(Stage(epoch, "joint", _points(joint, here)))
        if joint < n:
            rest = t.n_metric_points - here
            result.append(Stage(epoch, "V_rest", _points(n - joint, rest), t.alternate_lr_ratio))
    return result


def _points(n: int, count: int) -> tuple[int, ...]:
    """Up to ``count`` evenly spaced iterations of 1..n, the last one n."""
    return tuple(sorted({max(1, round(n * (k + 1) / count)) for k in range(count)}))


def annealing(training: TrainingConfig, epochs_done: float) -> float:
    """Strength of the L1/L2 penalties: 1 - exp(-rate * epochs_done), 1 for rate 0.

    ``epochs_done`` counts whole epochs (0 in the first), or with `annealing: continuous` is taken as it is (1.5 =
    halfway through the second), so that the penalties grow from the first iterations on.
    """
    if training.regul_annealing_rate == 0.0:
        return 1.0
    counted = epochs_done if training.annealing == "continuous" else math.floor(epochs_done)
    return 1.0 - math.exp(-training.regul_annealing_rate * counted)


def rate_factors(training: TrainingConfig, first: int, n: int) -> Tensor | None:
    """What `lr_scheduler` makes of all learning rates in the iterations ``first`` ... of the training, [n] in float64.

    A cosine falls from 1 to eta_min_ratio in T0 iterations and begins anew, each time T_mult times longer (Loshchilov
    and Hutter 2017). linear_warmup_cosine rises from 0 in its first iterations on top of that. None: nothing changes.
    """
    if training.lr_scheduler == "none":
        return None
    factors = torch.empty(n, dtype=torch.float64)
    start, length = 0, training.lr_scheduler_T0
    for row in range(n):
        while first + row >= start + length:
            start, length = start + length, length * training.lr_scheduler_T_mult
        fallen = (1.0 - math.cos(math.pi * (first + row - start) / length)) / 2
        factors[row] = 1.0 - (1.0 - training.lr_scheduler_eta_min_ratio) * fallen
    if training.lr_scheduler == "linear_warmup_cosine":
        risen = torch.arange(first, first + n, dtype=torch.float64) / max(training.lr_scheduler_warmup_iters, 1)
        factors *= risen.clamp(LEAST_RATE, 1.0)
    return factors.clamp_min_(LEAST_RATE)


def scheduler_in(training: TrainingConfig, share: float) -> dict[str, Scalar]:
    """The scheduler's iterations for a training that is cut to ``share`` of its length: the same course, sooner."""
    if training.lr_scheduler == "none":
        return {}
    return {
        "training.lr_scheduler_T0": max(1, round(training.lr_scheduler_T0 * share)),
        "training.lr_scheduler_warmup_iters": round(training.lr_scheduler_warmup_iters * share),
    }


def blocks(stage: Stage) -> Iterator[tuple[int, bool]]:
    """Numbers of iterations to run in one go, and whether to measure after them."""
    done = 0
    for point in stage.points:
        while done < point:
            n = min(BLOCK, point - done)
            done += n
            yield n, done == point
