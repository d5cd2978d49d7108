"""Dead and living keys of campaigns, by rule-made probes and by real short trainings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from state.campaign import Campaign, load_campaign
from state.config import SlotConfig
from state.explorable import protection
from state.files import dump_yaml
from trainer.slot import knobs
from trainer.slot.knobs import Knob, cached_knobs_of, check, knobs_of
from trainer.slot.probe import Bench, tiny_connectome

ROOT = Path(__file__).resolve().parents[3]


def campaign(explorable: dict[str, Any], training: dict[str, Any] | None = None, **more: Any) -> Campaign:
    small = {"hidden_dim": 8, "hidden_dim_update": 8}
    tree = {"name": "c", "explorable": explorable, "training": training or {}, "graph_model": small, **more}
    return Campaign.model_validate(tree)


ALL: dict[str, Any] = {
    # First, since coeff_W_L2 is tried beside one key after the other until it acts, and beside this one it does.
    "training.W_L2_beside_L1": {"choices": ["skipped", "added"]},
    "graph_model.hidden_dim": {"choices": [8, 9]},
    "graph_model.n_layers": {"choices": [2, 3]},
    "graph_model.hidden_dim_update": {"choices": [8, 9]},
    "graph_model.n_layers_update": {"choices": [3, 4]},
    "graph_model.embedding_dim": {"choices": [2, 3]},
    "training.n_epochs": {"choices": [2, 3]},
    "training.batch_size": {"choices": [2, 4]},
    "training.data_augmentation_loop": {"choices": [20, 25]},
    "training.alternate_joint_ratio": {"choices": [0.4, 0.5]},
    "training.alternate_lr_ratio": {"choices": [0.1, 0.2]},
    "training.coeff_g_phi_diff": {"min": 700, "max": 750},
    "training.coeff_g_phi_norm": {"min": 0.9, "max": 1},
    "training.coeff_g_phi_weight_L1": {"min": 0.28, "max": 0.3},
    "training.coeff_g_phi_weight_L2": {"min": 0, "max": 1e-6},
    "training.coeff_f_theta_weight_L1": {"min": 0.5, "max": 0.51},
    "training.coeff_f_theta_weight_L2": {"min": 0.0015, "max": 0.0016},
    "training.coeff_W_L1": {"min": 3e-5, "max": 6e-5},
    "training.coeff_W_L2": {"min": 3.5e-6, "max": 3.6e-6},
    "training.regul_annealing_rate": {"min": 0, "max": 0.5},
    "training.w_init_mode": {"choices": ["zeros", "randn_scaled"]},
    "training.w_init_scale": {"min": 1, "max": 1.01},
    "training.w_init_per": {"choices": ["edges", "inputs"]},
    "training.xnorm_scale": {"min": 1, "max": 1.5},
    "training.penalty_frames": {"choices": ["one", "all"]},
    "training.penalty_embedding": {"choices": ["fixed", "trained"]},
    "training.g_phi_diff_step": {"choices": ["additive", "relative"]},
    "training.perceptron_norms": {"choices": ["per_tensor", "per_network"]},
    "training.annealing": {"choices": ["epoch", "continuous"]},
    "training.grad_clip_W": {"min": 0, "max": 0.001},
    "training.coeff_W_L1_proximal": {"min": 0, "max": 1e-6},
    "training.lr_scheduler": {"choices": ["none", "cosine_warm_restarts", "linear_warmup_cosine"]},
    "training.lr_scheduler_T0": {"min": 500, "max": 1000},
    "training.lr_scheduler_T_mult": {"choices": [1, 2]},
    "training.lr_scheduler_eta_min_ratio": {"min": 0.01, "max": 0.02},
    "training.lr_scheduler_warmup_iters": {"min": 100, "max": 2000},
    "graph_model.init": {"choices": ["predecessor", "fan_in"]},
}
OF_STANDARD_TRAINING = "training.adam_restart"


def test_every_key_that_may_be_explored_is_alive_at_the_defaults() -> None:
    keys = {key for key in SlotConfig().flat() if key.startswith(("training.", "graph_model."))}
    assert set(ALL) | {OF_STANDARD_TRAINING} == {key for key in keys if protection(key) is None}
    found = knobs_of(campaign(ALL))
    assert [knob.key for knob in found] == list(ALL)
    assert all(knob.alive for knob in found)
    together = [f"training.lr_scheduler_{name}" for name in ("T0", "T_mult", "eta_min_ratio", "warmup_iters")]
    assert [knob.key for knob in found if knob.reason] == ["training.coeff_W_L2", *together]


@pytest.mark.parametrize(
    ("key", "rule", "training", "words"),
    [
        (
            "training.regul_annealing_rate",
            {"min": 0, "max": 2},
            {name.removeprefix("training."): 0.0 for name in knobs.L1_L2},
            "all six L1 and L2",
        ),
        (
            "training.alternate_joint_ratio",
            {"choices": [0.2, 0.4]},
            {"alternate_training": False},
            "alternate_training",
        ),
        ("training.alternate_lr_ratio", {"choices": [0.1, 0.3]}, {"alternate_training": False}, "alternate_training"),
        ("training.alternate_lr_ratio", {"choices": [0.1, 0.3]}, {"alternate_joint_ratio": 1.0}, "no V_rest phase"),
        ("training.w_init_scale", {"min": 0.1, "max": 1}, {"w_init_mode": "zeros"}, "w_init_mode is zeros"),
        ("training.coeff_W_L1", {"min": 3.3e-5, "max": 3.3e-5}, {}, "one value only"),
        ("training.coeff_W_L1", {"min": 1e-5, "max": 1e-3}, {"n_epochs": 1}, "there is no other"),
        ("training.regul_annealing_rate", {"min": 0.1, "max": 2}, {"n_epochs": 1}, "there is no other"),
        ("training.coeff_W_L2", {"min": 1e-6, "max": 1e-3}, {}, "set training.W_L2_beside_L1 to added"),
        ("training.n_epochs", {"choices": [2]}, {}, "one value only"),
        (OF_STANDARD_TRAINING, {"choices": ["standard_epochs", "never"]}, {}, "standard training only"),
    ],
)
def test_dead_keys_are_found_by_training_and_explained(
    key: str, rule: dict[str, Any], training: dict[str, Any], words: str
) -> None:
    (knob,) = knobs_of(campaign({key: rule}, training))
    assert (knob.key, knob.alive) == (key, False)
    assert words in knob.reason


def test_a_key_that_needs_another_explorable_key_is_alive_beside_it() -> None:
    explorable = {
        "training.w_init_scale": {"min": 0.1, "max": 1},
        "training.w_init_mode": {"choices": ["zeros", "randn_scaled"]},
    }
    scale, mode = knobs_of(campaign(explorable, {"w_init_mode": "zeros"}))
    assert mode == Knob("training.w_init_mode", True)
    assert scale.alive
    assert "training.w_init_mode" in scale.reason


def test_one_living_value_is_enough_and_the_farthest_is_tried_first() -> None:
    asked: list[float] = []

    def probe(config: SlotConfig) -> bool:
        asked.append(config.training.coeff_W_L1)
        return config.training.coeff_W_L1 > 1e-4

    rule = {"choices": [3.3e-5, 6e-5, 7e-5, 9e-4]}
    assert check(campaign({"training.coeff_W_L1": rule}), probe) == [Knob("training.coeff_W_L1", True)]
    assert asked == [3.3e-5, 9e-4]


def test_a_surrogate_campaign_is_checked_on_its_surface() -> None:
    explorable = {"training.n_epochs": {"choices": [2, 3]}, "training.batch_size": {"choices": [2, 4]}}
    found = knobs_of(campaign(explorable, trainer="surrogate"))
    assert [knob.alive for knob in found] == [True, False]


def test_divergence_is_an_answer_too() -> None:
    config = SlotConfig().replaced({"graph_model.hidden_dim": 8, "graph_model.hidden_dim_update": 8})
    bench = Bench(config)
    wild = config.replaced({"training.coeff_g_phi_diff": 1e300, "training.learning_rate_start": 1.0})
    assert bench(config) == bench(config) == Bench(config)(config)
    assert bench(wild) != bench(config)


def test_the_tiny_network_is_alive() -> None:
    bench = Bench(SlotConfig())
    assert float(bench.stats.sigma.min()) > 1e-3
    assert float(bench.data.voltage.abs().max()) < 10
    assert tiny_connectome().n_edges > 150


def test_answers_are_kept_until_the_campaign_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def fake(c: Campaign) -> list[Knob]:
        calls.append(c.name)
        return [Knob("k", False, "because")]

    monkeypatch.setattr(knobs, "knobs_of", fake)
    one = campaign({"training.n_epochs": {"choices": [2, 3]}})
    assert cached_knobs_of(one, tmp_path) == cached_knobs_of(one, tmp_path) == [Knob("k", False, "because")]
    assert len(calls) == 1
    cached_knobs_of(one.model_copy(update={"name": "d"}), tmp_path)
    assert len(calls) == 2
    for file in tmp_path.iterdir():
        file.write_text("{torn")
    assert cached_knobs_of(one, tmp_path) == [Knob("k", False, "because")]


def test_the_command_prints_json_or_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTFLY_CACHE", str(tmp_path / "cache"))
    path = ROOT / "campaigns" / "surrogate.yaml"
    command = [sys.executable, "-m", "trainer.slot.knobs"]
    told = [*command[:1], "-X", "importtime", *command[1:], str(path)]
    done = subprocess.run(told, capture_output=True, text=True, check=True, cwd=ROOT)
    assert [entry["key"] for entry in json.loads(done.stdout)] == list(load_campaign(path).explorable)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "pydantic" in imported
    assert "torch" not in imported
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(dump_yaml({"name": "x"}))
    done = subprocess.run([*command, str(wrong)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.strip().count("\n") == 0


def test_a_hinge_that_acts_from_another_start_only_is_alive() -> None:
    hinge = campaign({"training.coeff_g_phi_diff": {"min": 1, "max": 1e4}})
    first = hinge.base_config().training.seed

    def probe(config: SlotConfig) -> float:
        return config.training.coeff_g_phi_diff if config.training.seed == first + 3 else 0.0

    assert check(hinge, probe) == [Knob("training.coeff_g_phi_diff", True)]
    assert not check(hinge, lambda config: config.training.seed)[0].alive
