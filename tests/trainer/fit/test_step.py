"""The hand-written iteration against the per-edge yardstick with autograd: same loss, same gradients."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from state.config import SlotConfig
from trainer.fit.step import Step
from trainer.fly.connectome import Connectome
from trainer.model.gnn import GNN

XNORM, ITERATION = 0.5, 5


def in_double(data: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(**{key: value.double() for key, value in vars(data).items()})


def random_model(config: SlotConfig, truth: Connectome) -> GNN:
    model = GNN(config.graph_model, truth, dtype=torch.float64)
    model.initialise(config.training)
    generator = torch.Generator().manual_seed(3)
    model.a.add_(torch.randn(model.a.shape, generator=generator, dtype=torch.float64) * 0.3)
    model.W.add_(0.1)
    return model


CASES: list[dict[str, float | int]] = [
    {},
    {"training.penalty_stride": 4, "training.batch_size": 3},
    {"training.penalty_stride": 5, "training.batch_size": 1, "graph_model.embedding_dim": 3},
    {"graph_model.n_layers": 2, "graph_model.n_layers_update": 5, "training.batch_size": 2},
    {"training.coeff_g_phi_diff": 0.0},
    {"training.coeff_g_phi_norm": 0.0, "training.penalty_stride": 3},
    {"training.coeff_W_L2": 0.3, "training.coeff_g_phi_weight_L2": 0.2, "training.coeff_f_theta_weight_L1": 0.0},
]


@pytest.mark.parametrize("changes", CASES, ids=[str(sorted(case)) for case in CASES])
def test_loss_and_gradients_equal_the_per_edge_reference(
    changes: dict[str, float | int], tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    from benchmarks.per_edge import PerEdgeGNN

    config, data = tiny_config.replaced(changes), in_double(tiny_data)
    model = random_model(config, tiny_truth)
    frames = torch.tensor([3, 250, 77, 11])[: config.training.batch_size]
    step = Step(model, data, config.training, XNORM)
    with torch.inference_mode():
        step(frames, ITERATION)
        loss = float(step.total_loss())
    reference = PerEdgeGNN(model)
    batch = (data.voltage[frames], data.derivative[frames], data.stimulus[frames])
    expected = reference.loss(batch, config, XNORM, ITERATION)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-9)
    assert reference.W.grad is not None
    assert reference.a.grad is not None
    assert close(model.d_W, reference.W.grad)
    assert close(model.d_a, reference.a.grad.t())
    for ours, theirs in ((model.g_phi, reference.g_phi), (model.f_theta, reference.f_theta)):
        for gradient, linear in zip(ours.gradients, list(theirs)[::2], strict=True):
            kept = gradient if gradient.shape[0] == 1 else gradient[:-1]
            assert close(kept[:, :-1], linear.weight.grad)
            assert close(kept[:, -1], linear.bias.grad)


def close(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Equal to 1e-5 of the largest gradient of the tensor."""
    return bool((ours - theirs).abs().max() <= 1e-5 * theirs.abs().max() + 1e-12)


def test_constant_rows_are_never_pushed(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    model = random_model(tiny_config, tiny_truth)
    step = Step(model, in_double(tiny_data), tiny_config.training, XNORM)
    with torch.inference_mode():
        step(torch.tensor([1, 2, 3, 4]), 0)
    assert not model.gradient[model.trained == 0].any()
    assert int((model.trained == 0).sum()) == 4 + 9 + 6 + 9
