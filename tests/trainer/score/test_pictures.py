"""Pictures come out whole whatever the network learned."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import image

from trainer.fly.connectome import Connectome
from trainer.score.evaluate import Evaluation
from trainer.score.metrics import Recovered
from trainer.score.pictures import draw_activity, draw_embedding, type_colours


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


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("broken", [False, True])
def test_embedding_is_drawn_for_any_depth_and_for_undefined_metrics(
    depth: int, broken: bool, tmp_path: Path, tiny_truth: Connectome
) -> None:
    weight = np.full(tiny_truth.n_edges, np.nan) if broken else tiny_truth.weight.astype(float)
    found = Recovered(weight, tiny_truth.tau.astype(float), tiny_truth.V_rest.astype(float))
    result = Evaluation(metrics={"connectivity_R2": None if broken else 1.0}, found=found)
    draw_embedding(tmp_path / "e.png", tiny_truth, np.random.default_rng(0).random((42, depth)), result)
    assert image.imread(tmp_path / "e.png").shape[1] > 1000


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
