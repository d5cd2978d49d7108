"""The typed facts that pass between the rooms: results of a slot, proposals, finished iterations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from state.config import Scalar
from state.schema import Section

FailureKind = Literal[
    "crashed", "diverged", "killed", "lost", "no_result", "out_of_memory", "rejected", "timed_out", "invalid_config"
]
Role = Literal["exploit", "explore", "replicate", "baseline", "principle-test", "fallback"]
Status = Literal["converged", "partial", "failed"]
# Of a training: two-stage (joint, then V_rest, in each epoch) or standard.
Phase = Literal["joint", "V_rest", "standard"]
SeedRationale = Literal["same-data-robustness", "different-data-generalization", "suggested-default"]
# How sections of the log are written: as in the first release, with the program's further lines, or without them.
LogStyle = Literal["first", "full", "strict"]
# What every run has measured, in the order of the log's line.
FIRST_METRICS = (
    "connectivity_R2",
    "tau_R2",
    "V_rest_R2",
    "cluster_accuracy",
    "test_R2",
    "test_pearson",
    "training_time_min",
)
# What a slot measures today. A metric that is added here is absent in runs that were made before: not measured there.
METRICS = (*FIRST_METRICS,)
NOT_MEASURED = "not measured: the run is older than this metric"

# The three that a trajectory follows, in the order of its rows, with their short names.
TRACED = {"connectivity_R2": "conn", "V_rest_R2": "V_rest", "tau_R2": "tau"}


def recorded(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """Those of METRICS that a run has measured, defined or not, in their order."""
    return {name: metrics[name] for name in METRICS if name in metrics}


def undefined_line(reasons: Mapping[str, str]) -> str:
    """Which of TRACED are undefined, and why: `conn, tau undefined: f_theta is flat in 13,602 neurons`, or ''."""
    by_reason: dict[str, list[str]] = {}
    for name, short in TRACED.items():
        if reason := reasons.get(name):
            by_reason.setdefault(reason, []).append(short)
    return "; ".join(f"{', '.join(names)} undefined: {reason}" for reason, names in by_reason.items())


class Failure(Section):
    """Why a slot has no metrics; ``message`` is one line, safe to print."""

    kind: FailureKind
    message: str


class TrajectoryPoint(Section):
    """One row of metrics.log; None = undefined there. ``iteration`` counts from the start of training."""

    epoch: int
    iteration: int
    connectivity_r2: float | None
    vrest_r2: float | None
    tau_r2: float | None
    phase: Phase


class SlotResult(Section):
    """result.json. ``metrics`` are the METRICS of its time; an undefined one is None, its reason in ``missing``."""

    run_id: str
    config_hash: str
    status: Literal["done", "failed"]
    metrics: dict[str, float | None] = Field(default_factory=dict)
    missing: dict[str, str] = Field(default_factory=dict)
    extra: dict[str, float] = Field(default_factory=dict, description="further measured figures, e.g. slopes")
    trajectory: list[TrajectoryPoint] = Field(default_factory=list)
    seconds: dict[str, float] = Field(default_factory=dict, description="by stage: data, training, evaluation")
    failure: Failure | None = None
    device: str = ""
    truth: str = Field("", description="one line: which ground truth was simulated")
    stimulus: str = Field("", description="one line: which movies were shown")
    peak_memory_mb: float | None = None


class Edit(Section):
    """One requested change; ``key`` is dotted (`training.n_epochs`)."""

    key: str
    value: Scalar


class Planned(Section):
    """One slot of a batch as written before it runs, never changed after."""

    iteration: int
    batch: int
    slot: int
    run_id: str
    parent: int | None = Field(description="node id; None is root")
    role: Role
    mutation: str
    parent_rule: str
    hypothesis: str
    simulation_seed: int
    training_seed: int
    seed_rationale: SeedRationale
    config: str = Field(description="blob id of the slot config's YAML")
    config_hash: str
    config_id: str = Field(description="short name C1, C2, ... of all parameters but the seeds")
    changes: dict[str, tuple[Scalar, Scalar]] = Field(default_factory=dict, description="key -> parent, child value")
