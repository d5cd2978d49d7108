"""embedding.png comes out whole whatever the network learned, and says what it does not show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import image
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainer.fly.connectome import Connectome
from trainer.score.evaluate import Evaluation
from trainer.score.metrics import Recovered
from trainer.score.recovery_picture import _against_truth, _mean_by_type, draw_embedding


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


def test_signals_are_drawn_where_there_are_any(tmp_path: Path, tiny_truth: Connectome) -> None:
    found = Recovered(*(part.astype(float) for part in (tiny_truth.weight, tiny_truth.tau, tiny_truth.V_rest)))
    embedding = np.random.default_rng(0).random((42, 2))
    v = torch.linspace(-1, 1, 32)
    signals = v.clamp_min(0)[:, None].expand(-1, len(tiny_truth.type_index))
    result = Evaluation(found=found)
    draw_embedding(tmp_path / "without.png", tiny_truth, embedding, result)
    draw_embedding(tmp_path / "with.png", tiny_truth, embedding, replace(result, signals=(v, signals)))
    without, drawn = (image.imread(tmp_path / name) for name in ("without.png", "with.png"))
    assert not np.array_equal(without, drawn)


def axes() -> Axes:
    return Figure().add_subplot()


def test_points_outside_the_frame_are_marked_at_its_edge_and_counted() -> None:
    true = np.linspace(0, 1, 11, dtype=np.float32)
    learned = true.astype(float)
    learned[2], learned[3], learned[4] = 50.0, -50.0, np.nan
    shown = axes()
    _against_truth(shown, "W", 0.019, true, learned)
    assert shown.get_title() == "R2 = 0.019; 2 outside the frame; 1 not finite"
    points = [np.asarray(part.get_offsets()) for part in shown.collections]
    assert [len(part) for part in points] == [8, 1, 1]
    assert points[1].tolist() == [pytest.approx([0.2, 1.1])]
    assert points[2].tolist() == [pytest.approx([0.3, -0.1])]


def test_a_thinned_scatter_keeps_what_is_outside() -> None:
    true = np.linspace(0, 1, 100_001, dtype=np.float32)
    learned = true.astype(float)
    learned[77_777] = 9.0
    shown = axes()
    _against_truth(shown, "W", None, true, learned)
    assert shown.get_title() == "R2 undefined; 1 outside the frame"
    assert len(shown.collections[0].get_offsets()) < 30_000
    assert len(shown.collections[1].get_offsets()) == 1


def test_mean_weights_are_those_of_each_pair_of_types(tiny_truth: Connectome) -> None:
    found = _mean_by_type(tiny_truth, tiny_truth.weight.astype(float))
    for target in range(len(tiny_truth.type_names)):
        for source in range(len(tiny_truth.type_names)):
            edges = (tiny_truth.type_index[tiny_truth.target] == target) & (
                tiny_truth.type_index[tiny_truth.source] == source
            )
            if edges.any():
                assert found[target, source] == pytest.approx(tiny_truth.weight[edges].mean(), rel=1e-5)
            else:
                assert np.isnan(found[target, source])
