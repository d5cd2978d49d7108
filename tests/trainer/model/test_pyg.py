"""The reference on torch_geometric: its own promises, and training equal to the fast passes on the real connectome."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch_geometric.nn import MessagePassing

from state.config import Scalar, SlotConfig
from trainer.fit.backend import make_model, make_step
from trainer.fit.training import fit
from trainer.fly.connectome import Connectome, load_connectome
from trainer.fly.simulate import generate
from trainer.model.pyg import FlyGNN, PygModel, graph
from trainer.score.metrics import activity, recover

CPU = torch.device("cpu")


def test_the_module_is_a_message_passing_layer_of_the_equation(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    module = FlyGNN(tiny_config.graph_model, graph(tiny_truth))
    assert isinstance(module, MessagePassing)
    with torch.no_grad():
        module.W.normal_()
        module.a.normal_()
        v, light = tiny_data.voltage[:2], tiny_data.stimulus[:2]
        message = torch.zeros_like(v)
        for weight, j, i in zip(module.W, tiny_truth.source, tiny_truth.target, strict=True):
            message[:, i] += weight * module.g_phi(torch.stack([v[:, j], *module.a[j].expand(2, -1).t()], 1))[:, 0] ** 2
        torch.testing.assert_close(module.messages(v), message, rtol=1e-4, atol=1e-5)
        current = torch.zeros_like(v)
        current[:, torch.as_tensor(tiny_truth.input_index).long()] = light
        for i in range(tiny_truth.n_neurons):
            row = torch.stack([v[:, i], *module.a[i].expand(2, -1).t(), message[:, i], current[:, i]], 1)
            torch.testing.assert_close(module(v, light)[:, i], module.f_theta(row)[:, 0], rtol=1e-3, atol=1e-4)


def test_parameters_and_gradients_are_views_of_the_flat_vectors(
    tiny_config: SlotConfig, tiny_truth: Connectome
) -> None:
    model = PygModel(tiny_config.graph_model, tiny_truth)
    model.theta.fill_(3.0)
    model.gradient.fill_(2.0)
    for parameter in model.module.parameters():
        assert bool((parameter == 3).all())
        assert parameter.grad is not None
        assert bool((parameter.grad == 2).all())
    assert [model.groups[name].stop for name in ("W", "embedding", "g_phi")] == [
        model.groups[name].start for name in ("embedding", "g_phi", "f_theta")
    ]
    assert model.groups["f_theta"].stop == len(model.theta)


def test_an_idea_that_adds_a_parameter_is_trained(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `backend: pyg` is for: nothing but the module is changed."""
    old = FlyGNN.__init__

    def with_leak(self: FlyGNN, *arguments: object) -> None:
        old(self, *arguments)  # type: ignore[arg-type]
        self.leak = nn.Parameter(torch.zeros(1))

    def update(self: FlyGNN, v: torch.Tensor, message: torch.Tensor, stimulus: torch.Tensor | None) -> torch.Tensor:
        return plain(self, v, message, stimulus) - self.leak * v

    plain = FlyGNN.update_rate
    monkeypatch.setattr(FlyGNN, "__init__", with_leak)
    monkeypatch.setattr(FlyGNN, "update_rate", update)
    config = tiny_config.replaced({"graph_model.backend": "pyg"})
    model = make_model(config.graph_model, tiny_truth)
    model.initialise(config.training)
    fit(model, config, tiny_data, tiny_truth, activity(tiny_data), lambda point: None)
    assert isinstance(model, PygModel)
    leak = dict(model.module.named_parameters())["leak"]
    assert float(leak.detach()) != 0.0


@pytest.mark.parametrize("extent", [1, 2])
@pytest.mark.parametrize("alternate", [True, False])
def test_200_iterations_on_the_real_connectome_equal_the_fast_passes(extent: int, alternate: bool) -> None:
    changes: dict[str, Scalar] = {
        "connectome.source": "synthetic",
        "simulation.extent": extent,
        "simulation.n_frames": 1000,
        "simulation.n_sequences": 10,
        "simulation.n_test_frames": 50,
        "simulation.visual_input_type": "photographs",
        "graph_model.hidden_dim": 16,
        "graph_model.hidden_dim_update": 16,
        "training.data_augmentation_loop": 1,
        "training.n_metric_points": 2,
        "training.alternate_training": alternate,
    }
    config = SlotConfig().replaced(changes)
    truth = load_connectome(config.connectome, extent, config.simulation.delta_t)
    data = generate(config, truth, CPU).train
    for part in ("voltage", "derivative", "stimulus"):
        setattr(data, part, getattr(data, part).double())
    stats, ends = activity(data), []
    for backend in ("fast", "pyg"):
        chosen = config.replaced({"graph_model.backend": backend})
        model = make_model(chosen.graph_model, truth, dtype=torch.float64)
        model.initialise(chosen.training)
        rows: list[float | None] = []
        fit(model, chosen, data, truth, stats, lambda p, rows=rows: rows.append(p.connectivity_r2))
        with torch.inference_mode():
            ends.append((model.W.clone(), model.a.clone(), recover(model, data, stats), rows))
        step = make_step(model, data, chosen.training, 1.0)
        assert step.batch == chosen.training.batch_size
    (W, a, found, rows), (W_pyg, a_pyg, found_pyg, rows_pyg) = ends
    torch.testing.assert_close(W, W_pyg, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(a, a_pyg, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(torch.tensor(found.tau), torch.tensor(found_pyg.tau), rtol=1e-3, atol=1e-5)
    assert len(rows) == 4
    assert rows == pytest.approx(rows_pyg, abs=1e-3)
