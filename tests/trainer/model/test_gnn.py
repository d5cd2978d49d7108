"""The flat parameter vector and the prediction."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from state.config import SlotConfig
from trainer.fly.connectome import Connectome
from trainer.model.gnn import GNN, GROUPS
from trainer.model.protocol import derivative


def test_views_share_the_flat_vector_and_cover_it_once(tiny_config: SlotConfig, tiny_truth: Connectome) -> None:
    model = GNN(tiny_config.graph_model, tiny_truth)
    model.theta.zero_()
    model.W.add_(1)
    model.a.add_(1)
    for perceptron in (model.g_phi, model.f_theta):
        for matrix in perceptron.matrices:
            matrix.add_(1)
    assert torch.equal(model.theta, torch.ones_like(model.theta))
    assert [model.groups[name].start for name in GROUPS[1:]] == [model.groups[name].stop for name in GROUPS[:-1]]
    assert model.W.shape == (tiny_truth.n_edges,)
    assert model.a.shape == (2, tiny_truth.n_neurons)


@pytest.mark.parametrize("init", ["predecessor", "fan_in"])
def test_a_start_has_ones_as_embedding_and_constant_rows(
    init: str, tiny_config: SlotConfig, tiny_truth: Connectome
) -> None:
    config = tiny_config.replaced({"graph_model.init": init})
    model = GNN(config.graph_model, tiny_truth)
    model.initialise(config.training)
    assert torch.equal(model.a, torch.ones_like(model.a))
    for matrix in (*model.g_phi.matrices[:-1], *model.f_theta.matrices[:-1]):
        assert matrix[-1].tolist() == [0.0] * (matrix.shape[1] - 1) + [1.0]


def test_messages_are_sums_over_edges(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    model = GNN(tiny_config.graph_model, tiny_truth)
    model.initialise(tiny_config.training)
    v = tiny_data.voltage[:5]
    signal, expected = model.signal(v), torch.zeros(5, tiny_truth.n_neurons)
    for weight, source, target in zip(model.W, tiny_truth.source, tiny_truth.target, strict=True):
        expected[:, target] += weight * signal[:, source]
    torch.testing.assert_close(model.messages(v), expected, rtol=1e-4, atol=1e-5)
    assert bool((signal >= 0).all())


def test_derivative_equals_the_per_edge_reference(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    from benchmarks.per_edge import per_edge
    from trainer.model.pyg import PygModel

    ours, reference = GNN(tiny_config.graph_model, tiny_truth), per_edge(PygModel(tiny_config.graph_model, tiny_truth))
    for model in (ours, reference):
        model.initialise(tiny_config.training)
        model.a.mul_(torch.linspace(0.5, 1.5, tiny_truth.n_neurons))
        model.W.add_(0.1)
    v, stimulus = tiny_data.voltage[:3], tiny_data.stimulus[:3]
    expected = reference.module(v, stimulus).detach()
    torch.testing.assert_close(derivative(ours, v, stimulus), expected, rtol=1e-4, atol=1e-5)
