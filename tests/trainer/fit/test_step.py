"""The hand-written iteration against the reference on torch_geometric: same loss, same gradients, same training."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from state.config import Scalar, SlotConfig, earlier_settings
from trainer.fit.pyg_step import PygStep
from trainer.fit.step import Step
from trainer.fit.training import fit
from trainer.fly.connectome import Connectome
from trainer.model import perceptron
from trainer.model.gnn import GNN
from trainer.model.pyg import PygModel
from trainer.score.metrics import activity
from trainer.slot.backends import named_gradients

XNORM, ITERATION = 0.5, 5
# Every penalty with both norms, so that no term of the loss is out of sight.
ALL_ON: dict[str, Scalar] = {"training.coeff_W_L2": 0.3, "training.coeff_g_phi_weight_L2": 0.2}
FORMER: dict[str, Scalar] = {
    key: value
    for key, value in earlier_settings().items()
    if value != SlotConfig().flat()[key] and key not in ("simulation.sequences", "training.cluster_features")
}
CASES: list[dict[str, Scalar]] = [
    {},
    *({key: value} for key, value in FORMER.items()),
    FORMER,
    {"training.coeff_W_L1": 0.0},
    {"training.penalty_stride": 4, "training.batch_size": 3},
    {"training.penalty_stride": 4, "training.batch_size": 3, "training.penalty_embedding": "trained"},
    {"training.penalty_stride": 5, "training.batch_size": 1, "graph_model.embedding_dim": 3},
    FORMER | {"training.penalty_stride": 5, "training.batch_size": 3},
    {"graph_model.n_layers": 2, "graph_model.n_layers_update": 5, "training.batch_size": 2},
    {"training.coeff_g_phi_diff": 0.0},
    {"training.coeff_g_phi_norm": 0.0, "training.penalty_stride": 3},
    {"training.coeff_f_theta_weight_L1": 0.0, "training.w_init_mode": "zeros"},
]
ids = [",".join(key.rpartition(".")[2] for key in case) or "predecessor" for case in CASES]


def in_double(data: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(**{key: value.double() for key, value in vars(data).items()})


def both(config: SlotConfig, truth: Connectome, dtype: torch.dtype = torch.float64) -> tuple[GNN, PygModel]:
    """The two models at one random point; the start alone would leave the embedding's directions untold."""
    models = GNN(config.graph_model, truth, dtype=dtype), PygModel(config.graph_model, truth, dtype=dtype)
    for model in models:
        model.initialise(config.training)
        generator = torch.Generator().manual_seed(3)
        model.a.add_(torch.randn(model.a.shape, generator=generator, dtype=torch.float64).to(dtype) * 0.3)
        model.W.add_(0.1)
    return models


@pytest.mark.parametrize("changes", CASES, ids=ids)
def test_loss_and_every_gradient_equal_the_reference(
    changes: dict[str, Scalar], tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    config, data = tiny_config.replaced(ALL_ON | changes), in_double(tiny_data)
    model, reference = both(config, tiny_truth)
    frames = torch.tensor([3, 250, 77, 11])[: config.training.batch_size]
    steps = Step(model, data, config.training, XNORM), PygStep(reference, data, config.training, XNORM)
    for step in steps:
        step.set_strength(0.7)
        with torch.inference_mode():
            step(frames, ITERATION)
    assert float(steps[0].loss) == pytest.approx(float(steps[1].loss), rel=1e-12)
    assert float(steps[0].total_loss()) == pytest.approx(float(steps[1].total_loss()), rel=1e-12)
    ours, theirs = named_gradients(model), named_gradients(reference)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-9, atol=1e-9 * float(gradient.abs().max()))


@pytest.mark.parametrize("changes", CASES, ids=ids)
def test_the_sums_of_a_gpu_give_the_same_gradients(
    changes: dict[str, Scalar],
    tiny_config: SlotConfig,
    tiny_truth: Connectome,
    tiny_data: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pieces of rows, split products, gathered light, padded columns: all of it also runs on a CPU."""
    monkeypatch.setattr(perceptron, "SPLIT", 32)
    config, found = tiny_config.replaced(ALL_ON | changes), []
    for gpu_way in (False, True):
        model = GNN(config.graph_model, tiny_truth, dtype=torch.float64, gpu_way=gpu_way)
        model.initialise(config.training)
        model.W.add_(0.1)
        step = Step(model, in_double(tiny_data), config.training, XNORM)
        with torch.inference_mode():
            # Twice, so that what the first call leaves in the padding would show in the second.
            for iteration in (ITERATION, ITERATION + 1):
                step(torch.tensor([3, 250, 77, 11])[: config.training.batch_size], iteration)
        found.append((model.gradient, step.total_loss()))
    assert step._g_in.shape[1] % 32 == step._f_in.shape[1] % 32 == 0
    assert step._f_in.shape[1] > step.n_data
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-9, atol=1e-9 * float(ours.abs().max()))


def test_settings_that_say_otherwise_change_the_gradient(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    """Else the equality above could compare two things that are both left out."""
    seen = set()
    of_the_loss = {key: value for key, value in FORMER.items() if key not in NOT_IN_THE_LOSS}
    for changes in [{}, *({key: value} for key, value in of_the_loss.items())]:
        config = tiny_config.replaced(ALL_ON | changes)
        model, _ = both(config, tiny_truth)
        step = Step(model, in_double(tiny_data), config.training, XNORM)
        with torch.inference_mode():
            step(torch.tensor([3, 250, 77, 11]), ITERATION)
        seen.add(float(model.gradient.square().sum()))
    assert len(seen) == 1 + len(of_the_loss)


# These act before the loss (xnorm) or between iterations.
NOT_IN_THE_LOSS = ("training.xnorm_scale", "training.annealing", "training.adam_restart")


@pytest.mark.parametrize("two_stage", [True, False])
@pytest.mark.parametrize("changes", [{}, FORMER], ids=["predecessor", "former"])
def test_trainings_of_200_iterations_end_alike(
    changes: dict[str, Scalar],
    two_stage: bool,
    tiny_config: SlotConfig,
    tiny_truth: Connectome,
    tiny_data: SimpleNamespace,
) -> None:
    config = tiny_config.replaced(
        ALL_ON | changes | {"training.data_augmentation_loop": 5, "training.alternate_training": two_stage}
    )
    data, ends = in_double(tiny_data), []
    for model in (
        GNN(config.graph_model, tiny_truth, dtype=torch.float64),
        PygModel(config.graph_model, tiny_truth, dtype=torch.float64),
    ):
        model.initialise(config.training)
        rows: list[float | None] = []
        fit(model, config, data, tiny_truth, activity(data), lambda p, rows=rows: rows.append(p.connectivity_r2))
        ends.append((model.W.clone(), model.a.clone(), rows))
    (W, a, rows), (W_reference, a_reference, rows_reference) = ends
    assert len(rows) == 10
    torch.testing.assert_close(W, W_reference, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(a, a_reference, rtol=1e-6, atol=1e-8)
    assert rows == pytest.approx(rows_reference, abs=1e-4)


def test_constant_rows_are_never_pushed(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    model, _ = both(tiny_config, tiny_truth)
    step = Step(model, in_double(tiny_data), tiny_config.training, XNORM)
    with torch.inference_mode():
        step(torch.tensor([1, 2, 3, 4]), 0)
    assert not model.gradient[model.trained == 0].any()
    assert int((model.trained == 0).sum()) == 4 + 9 + 6 + 9
