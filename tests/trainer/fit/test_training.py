"""The schedule, the two-stage loop, repeatability, divergence, and that every explorable knob is alive."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from state.config import Scalar, SlotConfig
from state.explorable import protection
from state.records import TrajectoryPoint
from trainer.fit.backend import make_model
from trainer.fit.schedule import BLOCK, stages
from trainer.fit.step import Step
from trainer.fit.training import Moment, TrainingDiverged, fit
from trainer.fly.connectome import Connectome
from trainer.model.bf16 import bf16_is_there
from trainer.model.gnn import GNN
from trainer.score.metrics import activity
from trainer.score.prediction import one_step_scores


def trained(
    config: SlotConfig, truth: Connectome, data: SimpleNamespace
) -> tuple[GNN, list[TrajectoryPoint], list[Moment]]:
    model = GNN(config.graph_model, truth)
    model.initialise(config.training)
    points, moments = list[TrajectoryPoint](), list[Moment]()
    fit(model, config, data, truth, activity(data), points.append, moments.append)
    return model, points, moments


def test_rows_count_on_through_epochs_and_name_their_phase(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    _, points, moments = trained(tiny_config, tiny_truth, tiny_data)
    assert [(p.epoch, p.iteration, p.phase) for p in points] == [
        (0, 8, "joint"),
        (0, 16, "joint"),
        (0, 24, "V_rest"),
        (0, 32, "V_rest"),
        (0, 40, "V_rest"),
        (1, 48, "joint"),
        (1, 56, "joint"),
        (1, 64, "V_rest"),
        (1, 72, "V_rest"),
        (1, 80, "V_rest"),
    ]
    assert moments[-1] == Moment(1, "V_rest", 80, 80)


@pytest.mark.parametrize("two_stage", [True, False])
def test_training_learns_to_predict_and_finds_weights(
    two_stage: bool, tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    changes: dict[str, Scalar] = {
        "training.alternate_training": two_stage,
        "training.data_augmentation_loop": 50,
        "training.learning_rate_W_start": 1e-2,
        "graph_model.hidden_dim": 16,
        "graph_model.hidden_dim_update": 16,
        "training.coeff_g_phi_weight_L1": 1e-3,
        "training.coeff_f_theta_weight_L1": 1e-3,
        "training.coeff_g_phi_diff": 10.0,
    }
    model, points, _ = trained(tiny_config.replaced(changes), tiny_truth, tiny_data)
    predicted, _ = one_step_scores(model, tiny_data, 0.02)
    assert predicted.r2 is not None
    assert predicted.r2 > 0.8
    first, last = points[0].connectivity_r2, points[-1].connectivity_r2
    assert first is not None
    assert last is not None
    assert last > max(0.08, first)


def test_equal_seeds_give_equal_bits_and_other_seeds_do_not(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    first, points, _ = trained(tiny_config, tiny_truth, tiny_data)
    second, again, _ = trained(tiny_config, tiny_truth, tiny_data)
    other, _, _ = trained(tiny_config.replaced({"training.seed": 1001}), tiny_truth, tiny_data)
    assert torch.equal(first.theta, second.theta)
    assert points == again
    assert not torch.equal(first.theta, other.theta)


@pytest.mark.parametrize("backend", ["fast", "pyg"])
@pytest.mark.parametrize("key", ["lr_scheduler", "grad_clip_W", "coeff_W_L1_proximal"])
def test_schedules_and_limits_act_on_both_backends(
    key: str, backend: str, tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    asked: dict[str, Scalar] = {"lr_scheduler": "cosine_warm_restarts", "grad_clip_W": 1e-6, "coeff_W_L1_proximal": 1e3}
    config = tiny_config.replaced(
        {f"training.{key}": asked[key], "training.lr_scheduler_T0": 10, "graph_model.backend": backend}
    )
    found = {}
    for name, one in (
        ("plain", config.replaced({f"training.{key}": getattr(SlotConfig().training, key)})),
        ("set", config),
    ):
        model = make_model(one.graph_model, tiny_truth)
        model.initialise(one.training)
        fit(model, one, tiny_data, tiny_truth, activity(tiny_data), lambda point: None)
        found[name] = model.W.clone()
    assert not torch.equal(found["plain"], found["set"])
    if key == "coeff_W_L1_proximal":
        assert not found["set"].any()


def test_lr_ratio_zero_freezes_W_and_g_phi_in_the_second_phase(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    config = tiny_config.replaced(
        {"training.alternate_lr_ratio": 0.0, "training.n_epochs": 1, "training.alternate_joint_ratio": 0.5}
    )
    model = GNN(config.graph_model, tiny_truth)
    model.initialise(config.training)
    kept: dict[int, torch.Tensor] = {}

    def keep(point: TrajectoryPoint) -> None:
        kept[point.iteration] = model.theta.clone()

    fit(model, config, tiny_data, tiny_truth, activity(tiny_data), keep)
    middle, end = kept[20], kept[40]
    for name, moved in (("W", False), ("g_phi", False), ("f_theta", True), ("embedding", True)):
        assert torch.equal(middle[model.groups[name]], end[model.groups[name]]) is not moved, name


def test_divergence_is_caught_early(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    voltage = tiny_data.voltage.clone()
    voltage[:, 0] = float("nan")
    broken = SimpleNamespace(**{**vars(tiny_data), "voltage": voltage})
    config = tiny_config.replaced({"training.data_augmentation_loop": 100})
    model = GNN(config.graph_model, tiny_truth)
    model.initialise(config.training)
    with pytest.raises(TrainingDiverged) as caught:
        fit(model, config, broken, tiny_truth, activity(tiny_data), lambda point: None)
    assert caught.value.iteration <= BLOCK
    assert str(caught.value.iteration) in str(caught.value)


@pytest.mark.parametrize("where", ["g_phi", "f_theta", "W"])
def test_broken_parameters_are_caught_even_where_relu_hides_them(
    where: str, tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    model = GNN(tiny_config.graph_model, tiny_truth)
    model.initialise(tiny_config.training)
    model.theta[model.groups[where].start] = float("inf")
    with pytest.raises(TrainingDiverged):
        fit(model, tiny_config, tiny_data, tiny_truth, activity(tiny_data), lambda point: None)


@pytest.mark.parametrize(("way", "expected"), [("epoch", [0.0, 0.393]), ("continuous", [0.393, 0.632])])
def test_each_epoch_ends_with_its_strength(
    way: str,
    expected: list[float],
    tiny_config: SlotConfig,
    tiny_truth: Connectome,
    tiny_data: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny_config.replaced({"training.annealing": way})
    told: list[float] = []
    monkeypatch.setattr(Step, "set_strength", lambda self, strength: told.append(strength))
    trained(config, tiny_truth, tiny_data)
    blocks = len(told) // 2
    assert [told[blocks - 1], told[-1]] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("way", ["standard_epochs", "never"])
def test_adam_begins_anew_at_later_epochs_of_standard_training_only(
    way: str, tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    for two_stage in (False, True):
        config = tiny_config.replaced({"training.adam_restart": way, "training.alternate_training": two_stage})
        assert any(stage.starts_anew for stage in stages(config)) == (way == "standard_epochs" and not two_stage)
        model, steps = GNN(config.graph_model, tiny_truth), list[int]()
        model.initialise(config.training)
        stats = activity(tiny_data)
        fit(
            model, config, tiny_data, tiny_truth, stats, lambda point: None,
            on_block=lambda loop, steps=steps: steps.append(loop.adam.n_steps),
        )  # fmt: skip
        assert steps[-1] == (40 if way == "standard_epochs" and not two_stage else 80)


# Another value for everything that a campaign may offer for exploration.
OTHER_VALUES: dict[str, Scalar] = {
    "graph_model.hidden_dim": 9,
    "graph_model.n_layers": 4,
    "graph_model.hidden_dim_update": 9,
    "graph_model.n_layers_update": 4,
    "graph_model.embedding_dim": 3,
    "training.n_epochs": 3,
    "training.batch_size": 5,
    "training.data_augmentation_loop": 5,
    "training.alternate_joint_ratio": 0.6,
    "training.alternate_lr_ratio": 0.2,
    "training.coeff_g_phi_diff": 70.0,
    "training.coeff_g_phi_norm": 0.8,
    "training.coeff_g_phi_weight_L1": 0.2,
    "training.coeff_g_phi_weight_L2": 0.1,
    "training.coeff_f_theta_weight_L1": 0.4,
    "training.coeff_f_theta_weight_L2": 0.02,
    "training.coeff_W_L1": 1e-3,
    "training.coeff_W_L2": 1e-2,
    "training.regul_annealing_rate": 0.4,
    "training.w_init_mode": "zeros",
    "training.w_init_scale": 0.5,
    "training.w_init_per": "inputs",
    "training.xnorm_scale": 1.0,
    "training.penalty_frames": "all",
    "training.penalty_embedding": "trained",
    "training.g_phi_diff_step": "relative",
    "training.perceptron_norms": "per_network",
    "training.W_L2_beside_L1": "added",
    "training.annealing": "continuous",
    "training.adam_restart": "never",
    "training.grad_clip_W": 1e-6,
    "training.coeff_W_L1_proximal": 1e-5,
    "training.lr_scheduler": "cosine_warm_restarts",
    "training.lr_scheduler_T0": 15,
    "training.lr_scheduler_T_mult": 1,
    "training.lr_scheduler_eta_min_ratio": 0.5,
    "training.lr_scheduler_warmup_iters": 5,
    "graph_model.init": "fan_in",
}
# Alive only beside another value of another key.
BESIDE: dict[str, dict[str, Scalar]] = {
    "training.coeff_W_L2": {"training.coeff_W_L1": 0.0},
    "training.adam_restart": {"training.alternate_training": False},
    "training.W_L2_beside_L1": {"training.coeff_W_L2": 0.1},
    **{
        f"training.lr_scheduler_{name}": {
            "training.lr_scheduler": "linear_warmup_cosine",
            "training.lr_scheduler_T0": 10,
        }
        for name in ("T0", "T_mult", "eta_min_ratio", "warmup_iters")
    },
}
# Not offered, but not to be dead either.
FIXED_VALUES: dict[str, Scalar] = {
    "training.seed": 7,
    "training.learning_rate_W_start": 1e-3,
    "training.learning_rate_start": 1e-3,
    "training.learning_rate_embedding_start": 1e-3,
    "training.alternate_training": False,
    "training.penalty_stride": 2,
}


def test_every_key_that_may_be_explored_is_listed() -> None:
    keys = {key for key in SlotConfig().flat() if key.startswith(("training.", "graph_model."))}
    of_the_machine = {"training.matmul"}
    assert set(OTHER_VALUES) == {key for key in keys if protection(key) is None} - of_the_machine


@pytest.mark.parametrize("key", [*OTHER_VALUES, *FIXED_VALUES])
def test_every_knob_changes_the_training(
    key: str, tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    """In two epochs: by definition whole-epoch annealing makes six penalties exactly zero in the first."""
    base = tiny_config.replaced({"training.data_augmentation_loop": 4} | BESIDE.get(key, {}))
    other = base.replaced({key: (OTHER_VALUES | FIXED_VALUES)[key]})
    one, other_points = (trained(config, tiny_truth, tiny_data)[1] for config in (base, other))
    assert one != other_points


@pytest.mark.parametrize("key", [key for key in OTHER_VALUES if key.startswith("training.coeff_") and "_L" in key])
def test_weight_penalties_are_alive_under_annealing_and_beside_each_other(
    key: str, tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    """In one epoch, with the definitions that make them so."""
    ways = {"training.annealing": "continuous", "training.W_L2_beside_L1": "added"}
    base = tiny_config.replaced({"training.n_epochs": 1, "training.coeff_W_L1": 1e-4} | ways)
    other = base.replaced({key: OTHER_VALUES[key]})
    one, other_points = (trained(config, tiny_truth, tiny_data)[1] for config in (base, other))
    assert one != other_points


@pytest.mark.skipif(not bf16_is_there(torch.device("cpu")), reason="this CPU has no products in bfloat16")
def test_products_in_bfloat16_train_the_same_network_a_little_differently(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    rounded = tiny_config.replaced({"training.matmul": "bf16"})
    exact, other = (trained(config, tiny_truth, tiny_data)[0] for config in (tiny_config, rounded))
    difference = float((exact.theta - other.theta).norm() / exact.theta.norm())
    assert 0 < difference < 0.05
