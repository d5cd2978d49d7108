"""The phases of a training and the strength of its penalties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.config import Scalar, SlotConfig, TrainingConfig
from trainer.fit.schedule import annealing, iterations_per_epoch, stages


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
        assert sum(stage.n_iterations for stage in mine) == n
        assert 1 <= sum(len(stage.points) for stage in mine) <= max(points, 2)
        for stage in mine:
            assert stage.points[-1] == stage.n_iterations
            assert list(stage.points) == sorted(set(stage.points))
        if two:
            assert mine[0].phase == "joint"
            assert mine[0].n_iterations == max(1, int(n * ratio))
            assert [stage.fast for stage in mine[1:]] == [0.1] * (len(mine) - 1)
        else:
            assert [stage.phase for stage in mine] == ["standard"]


def test_annealing_counts_whole_epochs_as_the_predecessor_does_or_all_the_time() -> None:
    whole, continuous = TrainingConfig(), TrainingConfig(annealing="continuous")
    assert annealing(whole, 0.99) == 0.0
    assert annealing(whole, 1.0) == annealing(whole, 1.99) == pytest.approx(1 - math.exp(-0.5))
    assert 0.0 < annealing(continuous, 0.01) < annealing(continuous, 0.99) < annealing(continuous, 1.99) < 1.0
    assert annealing(TrainingConfig(regul_annealing_rate=0.0), 0.0) == 1.0
