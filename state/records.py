"""The typed facts that pass between the rooms: results of a slot, proposals, finished iterations."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from state.config import Scalar
from state.metrics import traced
from state.schema import Section

FailureKind = Literal[
    "crashed", "cut", "disk_full", "diverged", "killed", "lost", "no_result", "out_of_memory", "rejected", "timed_out",
    "invalid_config",
]  # fmt: skip
# What happens to a slot whatever its config: it is run again, and counts in no statistic when it never finishes.
BLAMELESS: tuple[FailureKind, ...] = ("disk_full", "killed", "lost")
# What a config does to its slot.
OWN_FAULTS: tuple[FailureKind, ...] = ("diverged", "out_of_memory", "timed_out", "invalid_config")
Role = Literal[
    "exploit", "explore", "replicate", "baseline", "principle-test", "screening", "fallback", "standard-baseline",
    "control",
]  # fmt: skip
# A run of standard training in a two-stage campaign: planned by the program, for comparison alone.
STANDARD_ROLE: Role = "standard-baseline"
# A run of a batch in which several keys are varied at once, in a design of the program's.
SCREENING_ROLE: Role = "screening"
# A run of the control arm: another explorer's, beside the one that the night belongs to; see `state.control`.
CONTROL_ROLE: Role = "control"
# Runs that others are compared with: of the program, in no rank, score, trial or noise.
COMPARED_ROLES: tuple[Role, ...] = (STANDARD_ROLE, CONTROL_ROLE)
# In the tree, also what another program ran before this run began.
NodeRole = Role | Literal["imported"]
# Cut: ended by the program at a third of its training, see `policy.cut`.
Status = Literal["converged", "partial", "failed", "cut"]
# Of a training: two-stage (joint, then V_rest, in each epoch) or standard.
Phase = Literal["joint", "V_rest", "standard"]
SeedRationale = Literal["same-data-robustness", "different-data-generalization", "suggested-default"]
# How sections of the log are written: as in the first release, with the program's further lines, or without them.
LogStyle = Literal["first", "full", "strict"]


class Failure(Section):
    """Why a slot has no metrics; ``message`` is one line, safe to print."""

    kind: FailureKind
    message: str

    @property
    def blameless(self) -> bool:
        """Whether it says nothing about the config."""
        return self.kind in BLAMELESS

    @property
    def is_cut(self) -> bool:
        """Whether nothing failed: the program ended a hopeless run."""
        return self.kind == "cut"

    @property
    def counts(self) -> bool:
        """Whether statistics count it as a very low value."""
        return not self.blameless and not self.is_cut

    @property
    def status(self) -> Status:
        """That of a slot without metrics."""
        return "cut" if self.is_cut else "failed"


class TrajectoryPoint(Section):
    """One row of metrics.log; None = undefined there. ``iteration`` counts from the start of training.

    Metrics that came after the first release are columns of their own, which older runs lack.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | None]

    epoch: int
    iteration: int
    connectivity_r2: float | None
    vrest_r2: float | None
    tau_r2: float | None
    phase: Phase

    @model_validator(mode="after")
    def _known_columns(self) -> Self:
        if not self.__pydantic_extra__:
            return self
        columns = [trace.column for trace in traced().values()]
        if unknown := [name for name in self.__pydantic_extra__ if name not in columns]:
            raise ValueError(f"{unknown[0]} is no column of a trajectory; known here: {', '.join(columns)}")
        return self

    def values(self) -> dict[str, float | None]:
        """Metric -> its value here, of those that the run follows."""
        return {name: getattr(self, trace.column) for name, trace in traced().items() if hasattr(self, trace.column)}


# What `device` says behind the device where another explorer of a bench has trained the run.
TAKEN_OVER = "; trained once, for "


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

    @property
    def trained_on(self) -> str:
        """The device that it was trained on, with the number of threads."""
        return self.device.partition(TAKEN_OVER)[0]

    @property
    def failed(self) -> bool:
        """Whether something went wrong; a run that was cut is no failure."""
        return self.failure is not None and not self.failure.is_cut

    @property
    def cut(self) -> bool:
        """Whether the program ended it as hopeless."""
        return self.failure is not None and self.failure.is_cut


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
    config_id: str = Field(description="short name C1, C2, ... of all but the seeds; of a control arm K1, K2, ...")
    changes: dict[str, tuple[Scalar, Scalar]] = Field(default_factory=dict, description="key -> parent, child value")
