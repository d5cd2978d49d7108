"""The config of one slot: what is simulated, what is trained, and how; hashed, compared and flattened here."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from state.added import Growing, added, is_complete, with_earlier
from state.errors import ConfigError
from state.files import canonical_json, dump_yaml, sha256
from state.schema import Section, validate

Scalar = bool | int | float | str

SEED_KEYS = ("simulation.seed", "training.seed")
# Where a slot runs, not what it computes: outside a config's identity.
PLACE_KEYS = ("dataset", "description", "training.device", "simulation.keep_data")
# Follow from embedding_dim alone, so they are set with it and never count as a change of their own.
DERIVED_KEYS = ("graph_model.input_size", "graph_model.input_size_update")


class ConnectomeConfig(Section):
    """Which wiring and which true parameters: see `trainer.fly.connectome`."""

    source: Literal["auto", "synthetic", "pretrained", "file"] = "auto"
    seed: int = Field(0, ge=0, lt=2**31, description="draws the synthetic parameters, never the simulation")
    path: str = Field("", description="the exported .npz of `source: file`")


class SimulationConfig(Growing):
    """The ground-truth simulation; a slot regenerates it from ``seed``."""

    extent: int = Field(8, ge=1, le=15, description="radius of the hexagonal eye in columns; 8 is the full size")
    n_frames: int = Field(64_000, ge=64, description="training frames, all sequences together")
    delta_t: float = Field(0.02, gt=0, le=0.05, description="Euler step in seconds")
    noise_model_level: float = Field(0.05, ge=0, le=1, description="standard deviation added to each state per step")
    seed: int = Field(1000, ge=0, lt=2**31)
    visual_input_type: Literal["auto", "DAVIS", "photographs"] = "auto"
    n_sequences: int = Field(64, ge=2, description="movies simulated side by side; n_frames is shared among them")
    burn_in: int = Field(100, ge=0, description="steps of each sequence dropped before frames are kept")
    n_test_frames: int = Field(1000, ge=50, description="length of the held-out rollout")
    sequences: Literal["parallel", "one_trajectory"] = added(
        "parallel", before="parallel", description="one_trajectory: a single movie, never reset; n_sequences is unused"
    )
    blank_prefix_fraction: float = added(
        0.0, before=0.0, ge=0, lt=1, description="share of each clip, at its beginning, that is dark"
    )
    keep_data: bool = added(False, before=False, description="each slot's recording is kept, in data/<dataset>")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.n_frames % self.n_sequences:
            raise ValueError(f"n_frames {self.n_frames} is not a multiple of n_sequences {self.n_sequences}")
        return self


class GraphModelConfig(Growing):
    """Sizes of the two perceptrons and the embedding, their start, and how the passes are computed.

    The coupled input sizes must agree.
    """

    hidden_dim: int = Field(80, ge=4, le=512)
    n_layers: int = Field(3, ge=2, le=6, description="linear layers of g_phi")
    hidden_dim_update: int = Field(80, ge=4, le=512)
    n_layers_update: int = Field(3, ge=2, le=6, description="linear layers of f_theta")
    embedding_dim: int = Field(2, ge=1, le=16)
    input_size: int = Field(3, description="1 + embedding_dim")
    input_size_update: int = Field(5, description="3 + embedding_dim")
    init: Literal["predecessor", "fan_in"] = added(
        "predecessor",
        before="fan_in",
        description="predecessor: first layers uniform in +-1/sqrt(fan-in), later weights N(0, 0.1), later biases 0; "
        "fan_in: uniform in +-1/sqrt(fan-in) everywhere",
    )
    backend: Literal["fast", "pyg"] = added(
        "fast", before="fast", description="hand-written passes, or the reference on torch_geometric with autograd"
    )

    @model_validator(mode="after")
    def _coupled(self) -> Self:
        want = 1 + self.embedding_dim, 3 + self.embedding_dim
        if (self.input_size, self.input_size_update) != want:
            raise ValueError(
                f"input_size {self.input_size} and input_size_update {self.input_size_update} do not fit "
                f"embedding_dim {self.embedding_dim}; they must be {want[0]} and {want[1]}"
            )
        return self


class TrainingConfig(Growing):
    """The optimisation; names follow the published trainer, and so does what each setting does by default.

    A setting with two words says which of two definitions holds: the predecessor's, the default, or another one.
    """

    seed: int = Field(1000, ge=0, lt=2**31)
    n_epochs: int = Field(2, ge=1, le=100)
    batch_size: int = Field(2, ge=1, le=256)
    data_augmentation_loop: int = Field(20, ge=1, le=1000)
    learning_rate_W_start: float = Field(5e-4, gt=0, le=1)
    learning_rate_start: float = Field(1.2e-3, gt=0, le=1)
    learning_rate_embedding_start: float = Field(1.55e-3, gt=0, le=1)
    alternate_training: bool = True
    alternate_joint_ratio: float = Field(0.4, gt=0, le=1)
    alternate_lr_ratio: float = Field(0.1, ge=0, le=1)
    coeff_g_phi_diff: float = Field(750.0, ge=0)
    coeff_g_phi_norm: float = Field(0.9, ge=0)
    coeff_g_phi_weight_L1: float = Field(0.29, ge=0)
    coeff_g_phi_weight_L2: float = Field(0.0, ge=0)
    coeff_f_theta_weight_L1: float = Field(0.5, ge=0)
    coeff_f_theta_weight_L2: float = Field(0.0015, ge=0)
    coeff_W_L1: float = Field(3.3e-5, ge=0)
    coeff_W_L2: float = Field(3.5e-6, ge=0)
    regul_annealing_rate: float = Field(0.5, ge=0)
    w_init_mode: Literal["zeros", "randn_scaled", "uniform_scaled"] = "randn_scaled"
    w_init_scale: float = Field(1.0, gt=0)
    penalty_stride: int = Field(1, ge=1, le=16, description="g_phi penalties on every k-th neuron, rotating")
    n_metric_points: int = Field(10, ge=2, le=100, description="rows of metrics.log per epoch")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    matmul: Literal["float32", "tf32", "bf16"] = added(
        "float32",
        before="float32",
        description="how products round: tf32 to 10 bits (a GPU), bf16 to 8 bits between hidden layers (a CPU)",
    )
    w_init_per: Literal["edges", "inputs"] = added(
        "edges", before="inputs", description="randn_scaled: std = w_init_scale / sqrt(edges, or mean inputs a neuron)"
    )
    xnorm_scale: float = added(1.5, before=1.0, gt=0, description="xnorm = this times the std of all voltages")
    penalty_frames: Literal["one", "all"] = added(
        "one", before="all", description="frames of the batch that the two g_phi penalties look at"
    )
    penalty_embedding: Literal["fixed", "trained"] = added(
        "fixed", before="trained", description="whether the two g_phi penalties move the embedding"
    )
    g_phi_diff_step: Literal["additive", "relative"] = added(
        "additive", before="relative", description="monotone from v to v + 0.05 xnorm, or to 1.05 v"
    )
    perceptron_norms: Literal["per_tensor", "per_network"] = added(
        "per_tensor", before="per_network", description="L2 of a perceptron: summed over its tensors, or one norm"
    )
    W_L2_beside_L1: Literal["skipped", "added"] = added(
        "skipped", before="added", description="whether coeff_W_L2 acts while coeff_W_L1 is on"
    )
    annealing: Literal["epoch", "continuous"] = added(
        "epoch", before="continuous", description="L1 and L2 grow by whole epochs (0 in the first), or all the time"
    )
    adam_restart: Literal["standard_epochs", "never"] = added(
        "standard_epochs", before="never", description="Adam begins anew at each epoch of standard training, or never"
    )
    cluster_features: Literal["raw", "standardised"] = added(
        "raw", before="standardised", description="what cluster_accuracy's mixture is fitted to"
    )
    grad_clip_W: float = added(0.0, before=0.0, ge=0, description="largest norm of W's gradient; 0: no limit")
    coeff_W_L1_proximal: float = added(
        0.0, before=0.0, ge=0, description="after each step every W moves so far towards 0, and no further"
    )
    lr_scheduler: Literal["none", "cosine_warm_restarts", "linear_warmup_cosine"] = added(
        "none", before="none", description="how all learning rates change over the iterations"
    )
    lr_scheduler_T0: int = added(1000, before=1000, ge=1, description="iterations of the first cosine")
    lr_scheduler_T_mult: int = added(2, before=2, ge=1, description="each next cosine is so many times longer")
    lr_scheduler_eta_min_ratio: float = added(
        0.01, before=0.01, ge=0, le=1, description="where a cosine ends, as a share of the rate"
    )
    lr_scheduler_warmup_iters: int = added(
        100, before=100, ge=0, description="iterations of linear_warmup_cosine's rise"
    )


class SlotConfig(Section):
    """Everything one training run depends on. Equal configs on one machine give equal metrics."""

    dataset: str = Field("", description="routes a slot's data to its own place; set by the program")
    description: str = ""
    connectome: ConnectomeConfig = ConnectomeConfig()
    simulation: SimulationConfig = SimulationConfig()
    graph_model: GraphModelConfig = GraphModelConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="before")
    @classmethod
    def _as_written(cls, tree: Any) -> Any:
        """Read a config that the program wrote: added settings that are absent have their earlier value."""
        written = isinstance(tree, dict) and is_complete(tree, SECTIONS)
        return with_earlier(tree, SECTIONS, defaults=False) if written else tree

    def hash(self) -> str:
        """sha256 of the canonical JSON: what a result must quote to be accepted."""
        return sha256(canonical_json(self._tree).encode())

    def yaml(self) -> str:
        """The text of a config file, and of the config's blob."""
        return dump_yaml(self._tree)

    @cached_property
    def _tree(self) -> dict[str, Any]:
        return self.model_dump()

    def identity(self) -> str:
        """Digest of all parameters except seeds, dataset and place: equal for replicates."""
        return self._identity

    @cached_property
    def _identity(self) -> str:
        written = flatten(self._tree)
        flat = {key: value for key, value in written.items() if key not in (*SEED_KEYS, *PLACE_KEYS)}
        return sha256(canonical_json(flat).encode())[:16]

    def flat(self) -> dict[str, Scalar]:
        """Every leaf under its dotted key."""
        return dict(self._leaves)

    @cached_property
    def _leaves(self) -> dict[str, Scalar]:
        return flatten({name: dict(part) if isinstance(part, Section) else part for name, part in self})

    def replaced(self, changes: dict[str, Scalar], name: str = "config") -> SlotConfig:
        """A copy with the dotted keys of ``changes`` set, validated as a whole; ConfigError otherwise."""
        tree = {key: dict(value) if isinstance(value, dict) else value for key, value in self._tree.items()}
        for key, value in (implied(changes) | changes).items():
            *sections, leaf = key.split(".")
            place: Any = tree
            for section in sections:
                place = place.get(section)
                if not isinstance(place, dict):
                    raise ConfigError(f"{name}: {key} is not a key of a slot config")
            place[leaf] = value
        return validate(SlotConfig, tree, name)


SECTIONS: dict[str, type[Section]] = {
    "connectome": ConnectomeConfig,
    "simulation": SimulationConfig,
    "graph_model": GraphModelConfig,
    "training": TrainingConfig,
}


def earlier_settings() -> dict[str, Scalar]:
    """Dotted key -> value of every setting that was added later, as it was before; see `state.added`."""
    growing = ((name, section) for name, section in SECTIONS.items() if issubclass(section, Growing))
    return {f"{name}.{key}": value for name, section in growing for key, value in section.earlier().items()}


def implied(changes: dict[str, Scalar]) -> dict[str, Scalar]:
    """DERIVED_KEYS as they follow from ``changes``; empty when nothing of theirs changes."""
    width = changes.get("graph_model.embedding_dim")
    return dict(zip(DERIVED_KEYS, (1 + width, 3 + width), strict=True)) if isinstance(width, int) else {}


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Scalar]:
    """Nested mappings as one mapping of dotted keys."""
    flat: dict[str, Scalar] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def difference(parent: SlotConfig, child: SlotConfig) -> dict[str, tuple[Scalar, Scalar]]:
    """Dotted key -> (parent value, child value) where the two differ, seeds and place left out."""
    before, after = parent.flat(), child.flat()
    skip = {*SEED_KEYS, *PLACE_KEYS, *DERIVED_KEYS}
    return {key: (before[key], after[key]) for key in before if key not in skip and before[key] != after[key]}
