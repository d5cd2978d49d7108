"""Which keys may be explored and which never, and what values an explored key may take."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from state.config import Scalar
from state.schema import Section

# Never explorable, each with the reason that the guard and the prompt quote.
PROTECTED = {
    "dataset": "it routes each slot's data to its own place",
    "simulation": "the simulation is fixed; only its seed changes, through the proposal's simulation_seed",
    "connectome": "the ground truth is fixed for the whole campaign",
    "training.seed": "it is set through the proposal's training_seed",
    "training.alternate_training": "it selects the two-stage trainer, the campaign's subject",
    "training.learning_rate_W_start": "the active-phase learning rates are settled by earlier work",
    "training.learning_rate_start": "the active-phase learning rates are settled by earlier work",
    "training.learning_rate_embedding_start": "the active-phase learning rates are settled by earlier work",
    "training.device": "the engine decides where a slot runs",
    "training.n_metric_points": "it changes how often a run is looked at, not the run",
    "training.penalty_stride": "it is a matter of speed, fixed for the campaign",
    "claude": "how Claude is asked and how the night is cut into blocks is the user's choice",
    "policy": "the rules of the night are the user's choice",
    "training.cluster_features": "it changes how a run is measured, not the run",
    "training.matmul": "it is a matter of speed, fixed for the campaign",
    "graph_model.backend": "it says how the passes are computed, not what is trained",
    "graph_model.input_size": "it follows from embedding_dim",
    "graph_model.input_size_update": "it follows from embedding_dim",
}


# Protected since the first release only: the prompts of its runs did not name them.
ADDED = ("training.cluster_features", "training.matmul", "graph_model.backend")


# The reason in a campaign of standard training.
STAGES = "training.alternate_training"
ONE_STAGE = "it selects standard training, the campaign's subject"


def protected(format: int, two_stage: bool = True) -> dict[str, str]:
    """What the prompts of a run of ``format`` name as protected, with the reasons."""
    reasons = PROTECTED if two_stage or format == 1 else PROTECTED | {STAGES: ONE_STAGE}
    return {key: reason for key, reason in reasons.items() if format > 1 or key not in ADDED}


def protection(key: str, two_stage: bool = True) -> str | None:
    """Why ``key`` (dotted) may never be edited, or None when it is not protected."""
    if key == STAGES and not two_stage:
        return ONE_STAGE
    parts = key.split(".")
    prefixes = (".".join(parts[: n + 1]) for n in range(len(parts)))
    return next((PROTECTED[prefix] for prefix in prefixes if prefix in PROTECTED), None)


class Explorable(Section):
    """What values one key may take: ``choices``, or a closed range ``min`` to ``max``."""

    choices: list[Scalar] | None = None
    min: float | None = None
    max: float | None = None
    scale: Literal["linear", "log"] = "linear"
    description: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        ranged = self.min is not None and self.max is not None
        if ranged == (self.choices is not None) or (not ranged and (self.min, self.max) != (None, None)):
            raise ValueError("give either `choices: [...]` or both `min:` and `max:`")
        if ranged and (self.min > self.max or (self.scale == "log" and self.min <= 0)):  # type: ignore[operator]
            raise ValueError(f"the range {self.min} to {self.max} is empty or not positive on a log scale")
        return self

    def allows(self, value: Scalar) -> bool:
        """Whether ``value`` is one of the choices or lies in the range; True is not 1 here."""
        if self.choices is not None:
            return any((type(value) is type(c) and value == c) or _same_number(value, c) for c in self.choices)
        return not isinstance(value, bool | str) and self.min <= value <= self.max  # type: ignore[operator]

    def allowed(self) -> str:
        """The allowed values in words."""
        if self.choices is not None:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        return f"{self.min:g} to {self.max:g}" + (" (log scale)" if self.scale == "log" else "")


def _same_number(a: Scalar, b: Scalar) -> bool:
    return not isinstance(a, bool | str) and not isinstance(b, bool | str) and a == b
