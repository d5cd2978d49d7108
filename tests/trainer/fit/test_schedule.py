"""The phases of a training and the strength of its penalties."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from state.config import Scalar, SlotConfig, TrainingConfig
from trainer.fit.schedule import annealing, iterations_per_epoch, rate_factors, stages


@settings(deadline=None)
@given(st.integers(1, 400), st.floats(0.001, 1.0), st.integers(2, 30), st.integers(1, 4), st.booleans())
def test_stages_cover_every_epoch_exactly(loops: int, ratio: float, points: int, epochs: int, two: bool) -> None:
    changes: dict[str, Scalar] = {
        "simulation.n_frames": 640,
        "training.batch_size": 4,
        "training.data_augmentation_loop": loops,
        "training.alternate_joint_ratio": ratio,
        "training.n_metric_points": points,
        "training.n_epochs": epochs,
        "training.alternate_training": two,
    }
    config = SlotConfig().replaced(changes)
    n = iterations_per_epoch(config)
    assert n == int(640 * loops / 4 * 0.2)
    plan = stages(config)
    for epoch in range(epochs):
        mine = [stage for stage in plan if stage.epoch == epoch]
        assert sum(stage.points[-1] for stage in mine) == n
        assert 1 <= sum(len(stage.points) for stage in mine) <= max(points, 2)
        for stage in mine:
            assert list(stage.points) == sorted(set(stage.points))
        if two:
            assert mine[0].phase == "joint"
            assert mine[0].points[-1] == max(1, int(n * ratio))
            assert [stage.fast for stage in mine[1:]] == [0.1] * (len(mine) - 1)
        else:
            assert [stage.phase for stage in mine] == ["standard"]


def test_annealing_counts_whole_epochs_as_the_predecessor_does_or_all_the_time() -> None:
    whole, continuous = TrainingConfig(), TrainingConfig(annealing="continuous")
    assert annealing(whole, 0.99) == 0.0
    assert annealing(whole, 1.0) == annealing(whole, 1.99) == pytest.approx(1 - math.exp(-0.5))
    assert 0.0 < annealing(continuous, 0.01) < annealing(continuous, 0.99) < annealing(continuous, 1.99) < 1.0
    assert annealing(TrainingConfig(regul_annealing_rate=0.0), 0.0) == 1.0


@pytest.mark.parametrize("longer", [1, 2, 3])
@pytest.mark.parametrize("floor", [0.0, 0.01, 0.5])
def test_cosines_are_those_of_torch(longer: int, floor: float) -> None:
    keys = {"lr_scheduler_T0": 7, "lr_scheduler_T_mult": longer, "lr_scheduler_eta_min_ratio": floor}
    training = TrainingConfig(lr_scheduler="cosine_warm_restarts", **keys)
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, 7, longer, eta_min=floor)
    expected = []
    for _ in range(60):
        expected.append(theirs.get_last_lr()[0])
        optimiser.step()
        theirs.step()
    ours = [rate_factors(training, first, 20) for first in (0, 20, 40)]
    torch.testing.assert_close(torch.cat([part for part in ours if part is not None]).tolist(), expected)


def test_the_warm_up_rises_to_the_cosine() -> None:
    keys = {"lr_scheduler_T0": 1000, "lr_scheduler_warmup_iters": 10}
    cosine = rate_factors(TrainingConfig(lr_scheduler="cosine_warm_restarts", **keys), 0, 20)
    warm = rate_factors(TrainingConfig(lr_scheduler="linear_warmup_cosine", **keys), 0, 20)
    assert cosine is not None
    assert warm is not None
    rise = [1e-6, *(k / 10 for k in range(1, 10)), *[1.0] * 10]
    torch.testing.assert_close((warm / cosine).tolist(), rise, rtol=1e-4, atol=0)


def test_without_a_scheduler_nothing_is_computed() -> None:
    assert rate_factors(TrainingConfig(), 0, 5) is None
