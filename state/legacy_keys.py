"""What the keys of the predecessor's YAML configs mean here: tables only.

The predecessor (flyvis-gnn) named its penalties and learning rates in three ways over time; all three are read.
"""

from __future__ import annotations

from typing import Any

SECTIONS = ("simulation", "graph_model", "training")

# Sections of the predecessor that say nothing about a training run.
FOREIGN_SECTIONS = ("plotting", "claude", "zarr", "task", "graph")
# Keys beside the sections that may name only "nothing".
TOP_LEVEL = ("data_folder_name", "connectome_folder_name", "data_folder_mesh_name")
# Keys beside the sections that only name things.
LABELS = ("config_file",)

# A config with one of these was written for the predecessor.
MARKS = {
    "simulation": ("connectivity_file", "adjacency_matrix", "params", "n_neurons", "n_input_neurons", "n_neuron_types"),
    "graph_model": (
        "signal_model_name",
        "prediction",
        "aggr_type",
        "update_type",
        "lin_edge_positive",
        "g_phi_positive",
    ),
    "training": ("n_runs", "recurrent_training", "batch_ratio", "small_init_batch_size", "sparsity", "lr_W"),
}

RENAMED: dict[str, dict[str, str]] = {
    "simulation": {},
    "graph_model": {},
    "training": {
        "lr_W": "learning_rate_W_start",
        "lr": "learning_rate_start",
        "lr_embedding": "learning_rate_embedding_start",
        "coeff_edge_diff": "coeff_g_phi_diff",
        "coeff_edge_norm": "coeff_g_phi_norm",
        "coeff_edge_weight_L1": "coeff_g_phi_weight_L1",
        "coeff_edge_weight_L2": "coeff_g_phi_weight_L2",
        "coeff_phi_weight_L1": "coeff_f_theta_weight_L1",
        "coeff_phi_weight_L2": "coeff_f_theta_weight_L2",
    },
}

# One annealing rate per L1 penalty in the oldest configs, 0.5 where absent.
L1_RATES = ("coeff_W_L1_rate", "coeff_edge_weight_L1_rate", "coeff_phi_weight_L1_rate")
L1_RATE_DEFAULT = 0.5

# What a file must not ask for before anything else matters: another model, then another connectome.
DECISIVE = (
    *(f"graph_model.{key}_model_name" for key in ("signal", "particle", "cell", "mesh")),
    "graph_model.prediction",
    "graph_model.aggr_type",
    "graph_model.update_type",
    "graph_model.lin_edge_positive",
    "graph_model.g_phi_positive",
    "graph_model.field_type",
    "training.neural_ODE_training",
    "training.recurrent_training",
    "simulation.connectivity_file",
    "simulation.adjacency_matrix",
    "simulation.n_neurons",
    "simulation.n_neuron_types",
    "simulation.n_extra_null_edges",
    "simulation.edge_removal_ratio",
    "simulation.ablation_ratio",
    "simulation.params",
    "simulation.visual_input_type",
)

# Accepted with these values because nightfly does just that; anything else is refused.
ONLY: dict[str, dict[str, tuple[Any, ...]]] = {
    "simulation": {
        "connectivity_file": ("", "to be specified", "none"),
        "adjacency_matrix": ("", "none"),
        "baseline_value": (0, -999),
        "n_neuron_types": (65,),
        "n_extra_null_edges": (0,),
        "edge_removal_ratio": (0,),
        "ablation_ratio": (0,),
        "start_frame": (0,),
        "sub_sampling": (1,),
        "model_id": ("000",),
        "ensemble_id": ("0000",),
        "noise_visual_input": (0,),
        "only_noise_visual_input": (0,),
        "measurement_noise_level": (0,),
        "derivative_smoothing_window": (1,),
        "shuffle_neuron_types": (False,),
        "simulation_initial_state": (False,),
        "calcium_type": ("none",),
        "external_input_type": ("none", "visual"),
        "Dale_law": (False,),
        "max_train_sequences": (0,),
        "blank_freq": (0,),
        "blank_window_size_frames": (0,),
        "blank_insertion_every_n_frames": (0,),
        "truncate_max_frames": (80,),
        "steady_state_value": (0.5,),
        "repeat_short_sequence_factor": (1,),
        "edge_mask_path": ("",),
        "connconstr_model": ("",),
        "all_columns": (False,),
        "flywire_stimulus": (False,),
        "noisy_test_data": (False,),
    },
    "graph_model": {
        "signal_model_name": ("flyvis_A", "PDE_N9_A"),
        "particle_model_name": ("",),
        "cell_model_name": ("",),
        "mesh_model_name": ("",),
        "prediction": ("first_derivative",),
        "integration": ("Euler",),
        "aggr_type": ("add",),
        "update_type": ("generic",),
        "output_size": (1,),
        "output_size_update": (1,),
        "lin_edge_positive": (True,),
        "g_phi_positive": (True,),
        "MLP_activation": ("relu",),
        "field_type": ("",),
        "inr_type_hidden": ("none",),
        "hidden_neuron_fraction": (0,),
        "zero_init_output": (False,),
        "add_skip_layers": (False,),
        "add_diagonal": (False,),
        "add_residual": (False,),
    },
    "training": {
        "n_runs": (1,),
        "batch_ratio": (1,),
        "small_init_batch_size": (False,),
        "sparsity": ("none",),
        "recurrent_training": (False,),
        "neural_ODE_training": (False,),
        "learn_external_input": (False,),
        "denoiser": (False,),
        "pretrained_model": ("",),
        "pre_trained_W": ("",),
        "test_dataset": ("",),
        "n_training_frames": (0,),
        "time_window": (0,),
        "time_step": (1,),
        "use_gt_edges": (True,),
        "dale_law": (False,),
        "g_phi_mode": ("mlp",),
        "w_optimizer_type": ("adam",),
        "umap_cluster_method": ("none",),
        "training_selected_neurons": (False,),
        "has_missing_activity": (False,),
        "low_rank_factorization": (False,),
        "multi_connectivity": (False,),
        "with_connectivity_mask": (False,),
        "consecutive_batch": (False,),
        "multi_start_recurrent": (False,),
        "shared_embedding": (False,),
        "embedding_cell_type_init": (False,),
        "fix_embedding": (False,),
        "init_training_single_type": (False,),
        "training_single_type": (False,),
    }
    | dict.fromkeys(
        (
            "train_start",
            "train_end",
            "clamp",
            "n_ghosts",
            "particle_dropout",
            "loss_noise_level",
            "noise_level",
            "measurement_noise_level",
            "coeff_update_diff",
            "coeff_update_msg_diff",
            "coeff_update_msg_sign",
            "coeff_update_u_diff",
            "coeff_lin_phi_zero",
            "coeff_f_theta_zero",
            "coeff_f_theta_diff",
            "coeff_f_theta_msg_diff",
            "coeff_f_theta_msg_sign",
            "coeff_f_theta_linearity",
            "coeff_f_theta_centering",
            "coeff_func_f_theta",
            "coeff_func_g_phi",
            "coeff_W_sign",
            "coeff_W_L1_ghost",
            "coeff_V_rest",
            "coeff_V_rest_L1",
            "coeff_V_rest_L2",
            "coeff_tau_L1",
            "coeff_tau_L2",
            "coeff_embedding_cluster",
            "coeff_stim_sparsity",
            "coeff_spend_replay",
            "coeff_spend_time",
            "coeff_spend_typed",
            "coeff_entropy_loss",
            "coeff_TV_norm",
            "coeff_missing_activity",
            "coeff_model_a",
            "coeff_model_b",
            "coeff_lin_modulation",
            "coeff_continuous",
            "coeff_NNR_f",
            "coeff_L1",
            "first_coeff_L1",
            "coeff_diff",
        ),
        (0,),
    ),
}

# Read by parts of the predecessor that the keys above keep switched off: patterns of `fnmatch`.
UNUSED: dict[str, tuple[str, ...]] = {
    "simulation": (
        "dimension", "boundary", "min_radius", "max_radius", "max_edges", "null_edges_mode", "edge_removal_mode",
        "edge_removal_seed", "ablation_seed", "datavis_roots", "skip_short_videos", "external_input_mode",
        "edge_uncertainty",
        "noise_ar1_rho", "connconstr_*",
        "permutation", "signal_input_type", "oscillation_*", "triggered_*", "tile_*", "n_nodes", "node_value_map",
        "short_term_plasticity_mode", "adex_*", "hh_*", "connectivity_init", "connectivity_filling_factor",
        "connectivity_type", "connectivity_rank", "connectivity_parameter", "Dale_law_factor", "excitation*",
        "func_params", "phi", "tau", "sigma", "calcium_*", "save_calcium", "pos_init", "dpos_init",
    ),
    "graph_model": (
        "field_grid", "*_2", "*_encoder", "*_decoder", "*_nnr", "*_nnr_f", "omega", "omega_f*", "nnr_f_*",
        "kernel_type",
        "inr_type", "lowrank_*", "ngp_*", "*_modulation", "*_excitation", "excitation_dim", "latent_*",
        "stochastic_latent", "*_nnr_hidden", "nnr_hidden_*", "omega_hidden", "n_layers_evolver", "stim_latent_dims",
    ),
    "training": (
        "n_epochs_init", "epoch_reset*", "inr_batch_size", "embedding_step", "embedding_trial", "remove_self",
        "epoch_distance_replace", "warm_up_length", "sequence_length", "denoiser_*", "selected_neuron_ids",
        "pred_limit",
        "ghost_*", "sparsity_freq", "fix_cluster_embedding", "cluster_*", "umap_cluster_*", "Ising_filter", "low_rank",
        "learning_rate_modulation_start", "learning_rate_*_end", "Learning_rate_W_end", "learning_rate_end",
        "learning_rate_missing_activity", "learning_rate_NNR*", "learning_rate_omega_f", "coeff_omega_f_L2",
        "training_NNR_start_epoch", "W_sign_temperature", "coeff_permutation", "f_theta_*_warmup_fraction",
        "f_theta_*_rampup_iters", "V_rest_*", "save_all_checkpoints", "recurrent_*", "noise_recurrent_level", "ode_*",
        "coeff_hidden_voltage", "node_name", "torch_compile", "embedding_cell_type_scale", "spend_*",
        "lr_missing_activity", "lr_NNR*", "lr_omega_f", "resample_noise_per_epoch",
    ),
}  # fmt: skip

# Belong to an older, cyclic kind of alternate training.
CYCLIC = (
    "n_alternations", "alternate_vrest_ratio", "alternate_lr_W", "alternate_lr_edge", "alternate_lr_update",
    "alternate_lr_embedding",
)  # fmt: skip

# Where the predecessor's own default differs from nightfly's: an absent key meant this.
DEFAULTS: dict[str, dict[str, Any]] = {
    "simulation": {"seed": 42, "noise_model_level": 0.0},
    "graph_model": {},
    "training": {
        "seed": 42,
        "n_epochs": 20,
        "batch_size": 1,
        "data_augmentation_loop": 40,
        "learning_rate_start": 1e-3,
        "learning_rate_embedding_start": 1e-3,
        "learning_rate_W_start": 1e-4,
        "coeff_g_phi_diff": 0.0,
        "coeff_g_phi_norm": 0.0,
        "coeff_g_phi_weight_L1": 0.0,
        "coeff_f_theta_weight_L1": 0.0,
        "coeff_f_theta_weight_L2": 0.0,
        "coeff_W_L1": 0.0,
        "coeff_W_L2": 0.0,
        "regul_annealing_rate": 0.5,
        "alternate_training": False,
        "w_init_mode": "randn",
    },
}
# The predecessor has no default for these that could be trained here.
REQUIRED = {
    "simulation": ("n_frames", "delta_t"),
    "graph_model": (
        "hidden_dim",
        "n_layers",
        "hidden_dim_update",
        "n_layers_update",
        "input_size",
        "input_size_update",
    ),
    "training": (),
}

# extent -> neurons, edges of flyvis's connectome, where they are known; inputs are 8 a column.
SIZES = {
    1: (443, 8_174),
    2: (1_203, 28_904),
    3: (2_345, 63_209),
    4: (3_865, 110_794),
    5: (5_759, 171_471),
    8: (13_741, 434_112),
}
