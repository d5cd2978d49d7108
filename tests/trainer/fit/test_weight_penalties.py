"""Penalties on the parameters; their gradients are checked with the whole iteration in test_step."""

from __future__ import annotations

import pytest
import torch

from state.config import SlotConfig
from trainer.fit.weight_penalties import WeightPenalties
from trainer.fly.connectome import Connectome
from trainer.model.gnn import GNN


def test_strength_scales_the_weight_penalties(tiny_config: SlotConfig, tiny_truth: Connectome) -> None:
    model = GNN(tiny_config.graph_model, tiny_truth)
    model.initialise(tiny_config.training)
    penalties = WeightPenalties(tiny_config.training, model)
    full = float(penalties.value())
    penalties.add_gradient()
    gradient = model.gradient.clone()
    penalties.set_strength(0.25)
    model.gradient.zero_()
    penalties.add_gradient()
    assert float(penalties.value()) == pytest.approx(full / 4)
    torch.testing.assert_close(model.gradient, gradient / 4)


def test_zero_weights_have_a_finite_gradient(tiny_config: SlotConfig, tiny_truth: Connectome) -> None:
    config = tiny_config.replaced({"training.w_init_mode": "zeros"})
    model = GNN(config.graph_model, tiny_truth)
    model.initialise(config.training)
    WeightPenalties(config.training, model).add_gradient()
    assert bool(torch.isfinite(model.gradient).all())
    assert not model.d_W.any()
