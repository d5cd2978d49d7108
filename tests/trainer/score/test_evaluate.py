"""All metrics together: defined for a sound network, reasons for a broken one."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from state.config import SlotConfig
from state.metrics import METRICS
from trainer.fly.connectome import Connectome
from trainer.model.gnn import GNN
from trainer.score.evaluate import evaluate
from trainer.score.metrics import activity


def test_every_metric_is_there(tiny_config: SlotConfig, tiny_truth: Connectome, tiny_dataset: SimpleNamespace) -> None:
    model = GNN(tiny_config.graph_model, tiny_truth)
    model.initialise(tiny_config.training)
    result = evaluate(model, tiny_dataset, tiny_truth, activity(tiny_dataset.train), tiny_config)
    assert set(result.metrics) == set(METRICS) - {"training_time_min"}
    assert set(result.missing) == {name for name, value in result.metrics.items() if value is None}
    lines = {"connectivity_R2", "tau_R2", "V_rest_R2", "test_R2"} - set(result.missing)
    assert "connectivity_R2" in lines
    assert {f"{name.removesuffix('_R2')}_slope" for name in lines} <= set(result.extra)
    assert {"connectivity_R2_identity", "connectivity_R2_identity_trimmed", "test_pearson_moving"} <= set(result.extra)
    assert {"onestep_pearson", "raw_W_R2", "spectral_radius", "spectral_radius_true"} <= set(result.extra)


def test_a_broken_network_gives_reasons(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_dataset: SimpleNamespace
) -> None:
    model = GNN(tiny_config.graph_model, tiny_truth)
    model.theta.fill_(float("nan"))
    result = evaluate(model, tiny_dataset, tiny_truth, activity(tiny_dataset.train), tiny_config)
    assert set(result.metrics.values()) == {None}
    assert all(result.missing[name] for name in result.metrics)
    assert not result.extra
    assert result.traces is not None
    assert bool(torch.isnan(result.traces).any())
