"""One-step figures against numpy's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from state.config import SlotConfig
from trainer.fly.connectome import Connectome
from trainer.model.gnn import GNN
from trainer.model.protocol import derivative
from trainer.score.prediction import one_step_scores


@pytest.fixture
def model(tiny_config: SlotConfig, tiny_truth: Connectome) -> GNN:
    found = GNN(tiny_config.graph_model, tiny_truth)
    found.initialise(tiny_config.training)
    return found


@pytest.mark.parametrize("batch", [7, 64, 10_000])
def test_one_step_pearson_is_the_mean_over_neurons(model: GNN, tiny_data: SimpleNamespace, batch: int) -> None:
    dt = 0.02
    with torch.inference_mode():
        predicted = tiny_data.voltage + dt * derivative(model, tiny_data.voltage, tiny_data.stimulus)
        true = tiny_data.voltage + dt * tiny_data.derivative
        _, found = one_step_scores(model, tiny_data, dt, batch)
    pairs = zip(true.double().T.numpy(), predicted.double().T.numpy(), strict=True)
    assert found == pytest.approx(np.mean([np.corrcoef(x, y)[0, 1] for x, y in pairs]), rel=1e-6)


def test_without_a_neuron_that_varies_there_is_none(model: GNN, tiny_data: SimpleNamespace) -> None:
    still = SimpleNamespace(
        voltage=torch.ones_like(tiny_data.voltage),
        derivative=torch.zeros_like(tiny_data.derivative),
        stimulus=tiny_data.stimulus,
    )
    with torch.inference_mode():
        score, nearby = one_step_scores(model, still, 0.02)
    assert nearby is None
    assert score.reason == "the true or the predicted derivative is constant"


def test_the_model_passes_once_over_the_frames(
    model: GNN, tiny_data: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, update = [], model.update
    monkeypatch.setattr(model, "update", lambda v, *rest: seen.append(len(v)) or update(v, *rest))
    with torch.inference_mode():
        one_step_scores(model, tiny_data, 0.02, batch=150)
    assert seen == [150, 150, 100]
