"""Configs of the predecessor's three generations: translated, told about, or refused with a sentence."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.campaign import load_campaign
from state.config import SlotConfig
from state.errors import ConfigError
from state.files import dump_yaml
from state.legacy import is_legacy, load_slot_config, translate
from state.legacy_keys import DEFAULTS, MARKS, ONLY, RENAMED
from state.schema import validate

SIMULATION: dict[str, Any] = {
    "connectivity_file": "to be specified",
    "adjacency_matrix": "",
    "params": [[1.0, 1.0, 1.0]],
    "n_neurons": 13741,
    "n_input_neurons": 1736,
    "n_neuron_types": 65,
    "n_edges": 434112,
    "n_frames": 32000,
    "delta_t": 0.02,
    "baseline_value": 0,
    "visual_input_type": "DAVIS",
    "noise_model_level": 0.05,
}
GRAPH_MODEL: dict[str, Any] = {
    "signal_model_name": "flyvis_A",
    "prediction": "first_derivative",
    "aggr_type": "add",
    "update_type": "generic",
    "embedding_dim": 2,
    "input_size": 3,
    "n_layers": 3,
    "hidden_dim": 64,
    "output_size": 1,
    "input_size_update": 5,
    "n_layers_update": 4,
    "hidden_dim_update": 48,
}
COMMON: dict[str, Any] = {
    "n_epochs": 3,
    "n_runs": 1,
    "device": "auto",
    "recurrent_training": False,
    "batch_size": 4,
    "batch_ratio": 1,
    "small_init_batch_size": False,
    "sparsity": "none",
    "data_augmentation_loop": 25,
    "coeff_W_L1": 4e-5,
    "coeff_W_L2": 2e-6,
    "w_init_mode": "zeros",
    "seed": 7,
}
FIRST = {
    "learning_rate_W_start": 6e-4,
    "learning_rate_start": 1.1e-3,
    "learning_rate_embedding_start": 1.4e-3,
    "coeff_edge_diff": 700,
    "coeff_edge_norm": 0.8,
    "coeff_edge_weight_L1": 0.3,
    "coeff_edge_weight_L2": 0.01,
    "coeff_phi_weight_L1": 0.4,
    "coeff_phi_weight_L2": 0.002,
    "coeff_phi_weight_L1_rate": 0.5,
    "coeff_W_L1_rate": 0.5,
    "coeff_update_u_diff": 0,
    "coeff_update_msg_diff": 0,
}
NEW_NAMES = {
    "coeff_g_phi_diff": 700,
    "coeff_g_phi_norm": 0.8,
    "coeff_g_phi_weight_L1": 0.3,
    "coeff_g_phi_weight_L2": 0.01,
    "coeff_f_theta_weight_L1": 0.4,
    "coeff_f_theta_weight_L2": 0.002,
    "coeff_f_theta_msg_diff": 0,
    "regul_annealing_rate": 0.5,
}
SECOND = {key: value for key, value in FIRST.items() if key.startswith("learning")} | NEW_NAMES
THIRD = {
    "lr_W": 6e-4,
    "lr": 1.1e-3,
    "lr_embedding": 1.4e-3,
    "lr_scheduler": "none",
    "lr_scheduler_T0": 1000,
} | NEW_NAMES


def old(training: dict[str, Any], **sign: bool) -> dict[str, Any]:
    return {
        "description": "an old config",
        "dataset": "flyvis_62_1",
        "simulation": dict(SIMULATION),
        "graph_model": GRAPH_MODEL | (sign or {"lin_edge_positive": True}),
        "plotting": {"colormap": "tab20", "xlim": [-2, 2]},
        "training": COMMON | training,
        "claude": {"n_epochs": 1, "node_name": "h100"},
    }


def changed(section: str, **values: Any) -> dict[str, Any]:
    tree = copy.deepcopy(old(FIRST))
    tree[section].update(values)
    return tree


def read(tree: dict[str, Any]) -> SlotConfig:
    return validate(SlotConfig, translate(tree, "old.yaml").tree, "old.yaml")


@pytest.mark.parametrize("tree", [old(FIRST), old(SECOND, g_phi_positive=True), old(THIRD, g_phi_positive=True)])
def test_all_three_generations_mean_the_same_run(tree: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(dump_yaml(tree))
    config, notes = load_slot_config(path)
    t = config.training
    assert (t.learning_rate_W_start, t.learning_rate_start, t.learning_rate_embedding_start) == (6e-4, 1.1e-3, 1.4e-3)
    assert (t.coeff_g_phi_diff, t.coeff_g_phi_norm, t.coeff_g_phi_weight_L1) == (700, 0.8, 0.3)
    assert (t.coeff_g_phi_weight_L2, t.coeff_f_theta_weight_L1, t.coeff_f_theta_weight_L2) == (0.01, 0.4, 0.002)
    assert (t.coeff_W_L1, t.coeff_W_L2, t.regul_annealing_rate) == (4e-5, 2e-6, 0.5)
    assert (t.n_epochs, t.batch_size, t.data_augmentation_loop, t.seed, t.w_init_mode) == (3, 4, 25, 7, "zeros")
    assert t.alternate_training is False
    s, g = config.simulation, config.graph_model
    assert (s.extent, s.n_frames, s.visual_input_type, s.seed) == (8, 32000, "DAVIS", 42)
    assert (g.hidden_dim, g.n_layers, g.hidden_dim_update, g.n_layers_update) == (64, 3, 48, 4)
    assert config.dataset == "flyvis_62_1"
    assert sum("plotting, claude" in note for note in notes) == 1


def test_two_stage_keys_are_kept() -> None:
    tree = changed("training", alternate_training=True, alternate_joint_ratio=0.3, alternate_lr_ratio=0.05)
    t = read(tree).training
    assert (t.alternate_training, t.alternate_joint_ratio, t.alternate_lr_ratio) == (True, 0.3, 0.05)


def test_what_is_left_out_has_the_predecessors_value_and_that_is_told() -> None:
    tree = old(FIRST)
    del tree["training"]["coeff_edge_norm"], tree["simulation"]["noise_model_level"]
    result = translate(tree, "old.yaml")
    assert result.tree["training"]["coeff_g_phi_norm"] == 0.0
    assert result.tree["simulation"]["noise_model_level"] == 0.0
    assert any("coeff_g_phi_norm 0.0" in note for note in result.notes)


def test_keys_without_effect_are_told_by_name() -> None:
    notes = translate(changed("graph_model", omega_f=80.0, n_layers_nnr_f=5), "old.yaml").notes
    assert any("graph_model.omega_f" in note and "graph_model.n_layers_nnr_f" in note for note in notes)


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        ("graph_model", {"signal_model_name": "flyvis_RNN"}, ["signal_model_name", "flyvis_RNN", "flyvis_A"]),
        ("graph_model", {"lin_edge_positive": False}, ["lin_edge_positive", "True"]),
        ("graph_model", {"prediction": "2nd_derivative"}, ["prediction", "first_derivative"]),
        ("graph_model", {"hiden_dim": 3}, ["graph_model.hiden_dim", "did you mean hidden_dim?"]),
        ("graph_model", {"input_size": 4}, ["input_size 4"]),
        ("simulation", {"n_edges": 434113}, ["n_edges 434113", "fit no extent"]),
        ("simulation", {"n_neurons": 443}, ["n_neurons 443"]),
        ("simulation", {"extent": 3}, ["n_neurons 13741"]),
        ("simulation", {"n_neuron_types": 64}, ["n_neuron_types", "65"]),
        ("simulation", {"params": [[1.0, 2.0]]}, ["params"]),
        ("simulation", {"visual_input_type": "Sintel"}, ["Sintel", "DAVIS"]),
        ("simulation", {"noise_level": 0.1}, ["did you mean noise_model_level?"]),
        ("simulation", {"measurement_noise_level": 0.1}, ["measurement_noise_level"]),
        ("training", {"coeff_update_msg_diff": 5}, ["coeff_update_msg_diff", "only does 0"]),
        ("training", {"coeff_W_sign": 0.1}, ["coeff_W_sign"]),
        ("training", {"recurrent_training": True}, ["recurrent_training", "False"]),
        ("training", {"small_init_batch_size": True}, ["small_init_batch_size"]),
        ("training", {"lr_scheduler": "graphcast"}, ["lr_scheduler", "cosine_warm_restarts"]),
        ("training", {"w_init_mode": "randn"}, ["randn", "randn_scaled"]),
        ("training", {"coeff_W_L1_rate": 0.4}, ["coeff_W_L1_rate 0.4", "regul_annealing_rate"]),
        ("training", {"coeff_W_L1_rate": "fast"}, ["fast"]),
        ("training", {"coeff_g_phi_diff": 3}, ["twice"]),
        ("training", {"n_epoch": 3}, ["training.n_epoch", "did you mean n_epochs?"]),
        ("training", {3: 3}, ["training.3"]),
        ("training", {"alternate_training": True, "alternate_lr_W": 1e-6}, ["alternate_lr_W", "alternate_joint_ratio"]),
    ],
)
def test_what_nightfly_does_not_do_is_refused_in_a_sentence(
    section: str, values: dict[Any, Any], words: list[str]
) -> None:
    tree = old(FIRST)
    tree[section].update(values)
    with pytest.raises(ConfigError) as caught:
        read(tree)
    for word in ["old.yaml", *words]:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cyclic_leftover_without_alternate_training_is_harmless() -> None:
    assert read(changed("training", n_alternations=4, alternate_training=False)).training.alternate_training is False


@pytest.mark.parametrize(("extent", "neurons", "edges"), [(1, 443, 8174), (5, 5759, 171471), (6, None, None)])
def test_the_extent_follows_from_the_sizes(extent: int, neurons: int | None, edges: int | None) -> None:
    inputs = 8 * (3 * extent * (extent + 1) + 1)
    tree = changed("simulation", n_neurons=neurons, n_edges=edges, n_input_neurons=inputs)
    assert read(tree).simulation.extent == extent


def test_a_missing_size_of_the_model_is_named() -> None:
    tree = old(FIRST)
    del tree["graph_model"]["hidden_dim"]
    with pytest.raises(ConfigError, match=r"graph_model\.hidden_dim is missing"):
        read(tree)


@pytest.mark.parametrize(("key", "value"), [("trainning", {}), ("simulatio", {}), ("note", "text"), ("zzz", 3)])
def test_a_section_that_looks_misspelt_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=key):
        translate(old(FIRST) | {key: value}, "old.yaml")


def test_other_unknown_sections_are_named_in_one_note() -> None:
    notes = translate(old(FIRST) | {"zarr": {}, "task": {}, "wandb": {"x": 1}}, "old.yaml").notes
    assert [note for note in notes if "sections" in note] == [
        "old.yaml: nightfly has no use for the sections plotting, claude, zarr, task, wandb"
    ]


def test_a_native_config_is_left_alone_and_stays_strict() -> None:
    tree = SlotConfig().model_dump()
    assert not is_legacy(tree)
    assert translate(tree, "x").tree is tree
    with pytest.raises(ConfigError, match="coeff_edge_diff"):
        validate(SlotConfig, translate({"training": {"coeff_edge_diff": 1}}, "x").tree, "x")


def test_a_campaign_may_be_built_on_the_predecessors_sections(tmp_path: Path) -> None:
    tree = old(FIRST)
    del tree["claude"], tree["dataset"]
    tree |= {"name": "c", "explorable": {"training.coeff_g_phi_diff": {"choices": [70, 700]}}}
    path = tmp_path / "c.yaml"
    path.write_text(dump_yaml(tree))
    notes: list[str] = []
    campaign = load_campaign(path, notes.append)
    assert campaign.training.coeff_g_phi_diff == 700
    assert campaign.simulation.extent == 8
    assert any("plotting" in note for note in notes)
    path.write_text(dump_yaml(tree | {"polcy": {}}))
    with pytest.raises(ConfigError, match="did you mean policy"):
        load_campaign(path)


def test_the_tables_name_only_what_they_should() -> None:
    native = SlotConfig().model_dump()
    for section, marks in MARKS.items():
        assert not set(marks) & set(native[section]) - {"device"}
    for section, names in RENAMED.items():
        assert set(names.values()) <= set(native[section])
        assert not set(names) & set(native[section])
    for section, values in ONLY.items():
        assert not set(values) & set(native[section])
    for section, defaults in DEFAULTS.items():
        assert set(defaults) <= set(native[section])


def refusal(tree: dict[str, Any], tmp_path: Path) -> str:
    path = tmp_path / "old.yaml"
    path.write_text(dump_yaml(tree))
    with pytest.raises(ConfigError) as caught:
        load_slot_config(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def test_all_faults_are_told_at_once_and_the_decisive_one_first(tmp_path: Path) -> None:
    tree = old(FIRST)
    tree["simulation"] |= {"blank_freq": 2, "n_neurons": 100, "n_frames": 10}
    tree["graph_model"] |= {"signal_model_name": "flyvis_mlp", "hiden_dim": 3}
    tree["training"] |= {"coeff_tau_L1": 0.1, "batch_size": 0}
    del tree["graph_model"]["hidden_dim"]
    told = refusal(tree, tmp_path)
    first, _, others = told.partition("; beside this: ")
    assert first.startswith("8 faults: graph_model.signal_model_name is 'flyvis_mlp'")
    assert others.startswith("simulation.n_neurons 100")
    for key in ("simulation.blank_freq", "graph_model.hiden_dim", "training.coeff_tau_L1", "graph_model.hidden_dim is"):
        assert key in others
    assert "training.batch_size is 0" in others
    assert "simulation.n_frames is 10" in others


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("simulation", "blank_freq", 2),
        ("simulation", "blank_window_size_frames", 10),
        ("simulation", "optogenetics", {"enabled": True}),
        ("simulation", "steady_state_value", 0.0),
        ("training", "coeff_tau_L1", 0.001),
        ("training", "coeff_V_rest_L2", 0.001),
        ("training", "train_start", 100),
        ("training", "train_begin", 100),
        ("training", "coeff_alpha_L1", 0.1),
        ("training", "lr_update", 1e-4),
        ("graph_model", "hidden_neuron_fraction", 0.1),
    ],
)
def test_a_request_of_another_meaning_is_refused_without_advice(
    section: str, key: str, value: Any, tmp_path: Path
) -> None:
    told = refusal(changed(section, **{key: value}), tmp_path)
    assert told.startswith(f"{section}.{key} is ")
    assert "did you mean" not in told


def test_schedulers_and_limits_on_W_are_taken_over() -> None:
    asked = {"lr_scheduler": "linear_warmup_cosine", "lr_scheduler_T0": 500, "lr_scheduler_warmup_iters": 50}
    asked |= {"grad_clip_W": 2.0, "coeff_W_L1_proximal": 1e-5, "w_init_mode": "uniform_scaled"}
    tree = read(old(THIRD | asked, g_phi_positive=True))
    assert {key: getattr(tree.training, key) for key in asked} == asked


def test_what_is_neutral_or_a_label_is_passed_over() -> None:
    tree = old(THIRD, g_phi_positive=True) | {"config_file": "fly/old"}
    tree["simulation"] |= {"blank_freq": 0, "optogenetics": {"enabled": False}, "noise_ar1_rho": 0.5}
    tree["training"] |= {"lr_update": 0.0, "coeff_tau_L1": 0.0, "train_start": 0, "torch_compile": True}
    assert read(tree) == read(old(THIRD, g_phi_positive=True))
    tree["training"]["lr_update"] = THIRD["lr"]
    assert read(tree) == read(old(THIRD, g_phi_positive=True))


CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("11-legacy-refusals-mislead/c_coeff_tau_L1.yaml", "training.coeff_tau_L1 is '0.001'; nightfly only does 0"),
        ("11-legacy-refusals-mislead/d_train_start.yaml", "training.train_start is '100'; nightfly only does 0"),
        ("11-legacy-refusals-mislead/e_real_reason_second.yaml", "graph_model.signal_model_name is 'flyvis_mlp'"),
        ("12-legacy-blank_freq-accepted/blank.yaml", "simulation.blank_freq is '2'; nightfly only does 0"),
    ],
)
def test_cases_that_are_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_slot_config(CASES / name)
    assert words in str(caught.value)
    assert "did you mean" not in str(caught.value)


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
@pytest.mark.parametrize("name", ["a_config_file", "b_lr_update"])
def test_cases_that_load(name: str) -> None:
    config, notes = load_slot_config(CASES / "11-legacy-refusals-mislead" / f"{name}.yaml")
    assert config.simulation.extent == 1
    assert any("claude.data_augmentation_loop 25" in note and "loop 2 " in note for note in notes)
    assert any("exactly 0" in note for note in notes)


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=5), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
KNOWN = sorted(
    {*SIMULATION, *GRAPH_MODEL, *COMMON, *FIRST, *NEW_NAMES, "compat", "claude", "lr_update", "optogenetics"}
)


@given(st.lists(st.tuples(st.sampled_from(["simulation", "graph_model", "training", ""]), st.sampled_from(KNOWN), ODD)))
def test_whatever_the_values_are_it_loads_or_is_one_sentence(edits: list[tuple[str, str, Any]]) -> None:
    tree = copy.deepcopy(old(FIRST))
    for section, key, value in edits:
        place = tree[section] if section else tree
        place[key] = value
    told = ""
    try:
        config = read(tree)
    except ConfigError as error:
        told = str(error)
    assert "\n" not in told
    assert told.startswith("old.yaml: ") if told else config.graph_model.hidden_dim >= 4
