"""activity.png comes out whole whatever the network learned."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import torch
from matplotlib import image

from trainer.fly.connectome import Connectome
from trainer.score.pictures import draw_activity, type_colours


def test_activity_shows_true_and_learned_traces(
    tmp_path: Path, tiny_truth: Connectome, tiny_dataset: SimpleNamespace
) -> None:
    true = tiny_dataset.rollout_voltage
    draw_activity(tmp_path / "same.png", tiny_truth, true, true, 0.02)
    draw_activity(tmp_path / "other.png", tiny_truth, true, true.flip(0), 0.02)
    same, other = (image.imread(tmp_path / name) for name in ("same.png", "other.png"))
    assert same.shape == other.shape
    assert same.shape[1] > 1000
    assert not np.array_equal(same, other)


def test_changed_defaults_of_other_packages_do_not_show(
    tmp_path: Path, tiny_truth: Connectome, tiny_dataset: SimpleNamespace
) -> None:
    true = tiny_dataset.rollout_voltage
    draw_activity(tmp_path / "plain.png", tiny_truth, true, true, 0.02)
    with matplotlib.rc_context({"font.size": 3, "axes.spines.top": False}):
        draw_activity(tmp_path / "changed.png", tiny_truth, true, true, 0.02)
        assert matplotlib.rcParams["font.size"] == 3
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "changed.png").read_bytes()


def test_traces_of_a_blown_up_rollout_can_be_drawn(
    tmp_path: Path, tiny_truth: Connectome, tiny_dataset: SimpleNamespace
) -> None:
    true = tiny_dataset.rollout_voltage
    learned = torch.full_like(true, float("nan"))
    draw_activity(tmp_path / "nan.png", tiny_truth, true, learned, 0.02)
    assert (tmp_path / "nan.png").stat().st_size > 10_000


def test_types_have_distinct_colours() -> None:
    assert len({tuple(colour) for colour in type_colours(65).round(3)}) == 65
