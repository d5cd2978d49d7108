"""Which rows the penalties look at; their gradients are checked with the whole iteration in test_step."""

from __future__ import annotations

import pytest
import torch

from state.config import SlotConfig
from trainer.fit.signal_penalties import SignalPenalties
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
