"""Which rows the penalties look at; their gradients are checked with the whole iteration in test_step."""

from __future__ import annotations

import pytest
import torch

from state.config import SlotConfig
from trainer.fit.penalties import SignalPenalties, WeightPenalties
from trainer.fly.connectome import Connectome
from trainer.model.gnn import GNN


@pytest.mark.parametrize("stride", [1, 2, 5, 16])
def test_a_round_of_offsets_visits_every_neuron(stride: int, tiny_config: SlotConfig, tiny_truth: Connectome) -> None:
    config = tiny_config.replaced({"training.penalty_stride": stride})
    penalties = SignalPenalties(config.training, GNN(config.graph_model, tiny_truth), 4, 0.5)
    if stride == 1:
        assert penalties.subset(3) is None
        return
    subsets = [penalties.subset(iteration) for iteration in range(stride)]
    seen = torch.cat([subset for subset in subsets if subset is not None])
    assert set(seen.tolist()) == set(range(tiny_truth.n_neurons))
    for subset in subsets:
        assert subset is not None
        assert len(subset) == penalties.n_subset == len(set(subset.tolist()))


def test_a_coefficient_of_zero_costs_no_rows(tiny_config: SlotConfig, tiny_truth: Connectome) -> None:
    config = tiny_config.replaced({"training.coeff_g_phi_diff": 0.0, "training.coeff_g_phi_norm": 0.0})
    penalties = SignalPenalties(config.training, GNN(config.graph_model, tiny_truth), 4, 0.5)
    assert (penalties.n_diff, penalties.n_norm) == (0, 0)


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
