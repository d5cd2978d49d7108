"""One section of the log as a typed record, and how it is made from a planned slot, its result and a judgement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from state.config import Scalar
from state.metrics import METRICS, REWARD, curves, is_whole, recorded
from state.records import Failure, Planned, Role, SeedRationale, SlotResult, Status
from state.schema import Section
from state.thresholds import Thresholds
from ucb.grammar import Prose, one_line, parse_mutation
from ucb.trajectory import DEFAULTS, Trajectory, run_status, trajectory

Verdict = Literal["supported", "falsified", "inconclusive"]

# The addendum's short names; any other explored key goes by its leaf.
SHORT_NAMES = {
    "training.learning_rate_W_start": "lr_W",
    "training.learning_rate_start": "lr",
    "training.learning_rate_embedding_start": "lr_emb",
    "training.alternate_joint_ratio": "joint_ratio",
    "training.alternate_lr_ratio": "lr_ratio",
    "training.n_epochs": "n_epochs",
    "training.data_augmentation_loop": "aug_loop",
}


class Judgement(Section):
    """What the model says about a finished iteration; all of it prose but the verdict."""

    embedding: Prose
    observation: Prose
    verdict: Verdict
    verdict_reason: Prose


class LogEntry(Section):
    """One iteration in the log. Prose is held as one printable line; a metric or peak that is None is undefined.

    Either ``metrics`` (METRICS, or those that an older run has) and ``trajectory`` are given, or ``failure``.
    ``config`` goes by short names. A strict log tells neither hypothesis nor verdict.
    """

    iteration: int = Field(ge=1, lt=10**9)
    status: Status
    parent: int | None = Field(ge=1, lt=10**9)
    role: Role
    simulation_seed: int
    training_seed: int
    seed_rationale: SeedRationale
    config: dict[str, Scalar]
    metrics: dict[str, float | None] | None = None
    trajectory: Trajectory | None = None
    failure: Failure | None = None
    embedding: Prose
    mutation: str
    parent_rule: Prose
    hypothesis: Prose = ""
    observation: Prose
    verdict: Verdict = "inconclusive"
    verdict_reason: Prose = ""
    checks: tuple[Prose, ...] = ()
    variance_update: Prose
    next_parent: int | None = Field(ge=1, lt=10**9)

    @property
    def changes(self) -> dict[str, tuple[Scalar, Scalar]]:
        """Leaf key -> (parent's value, own value), as the mutation states them."""
        return parse_mutation(self.mutation)

    @field_validator("failure")
    @classmethod
    def _one_line(cls, failure: Failure | None) -> Failure | None:
        return failure and Failure(kind=failure.kind, message=one_line(failure.message))

    @field_validator("mutation")
    @classmethod
    def _readable(cls, mutation: str) -> str:
        parse_mutation(mutation)
        return mutation

    @model_validator(mode="after")
    def _measured_or_failed(self) -> Self:
        measured = self.metrics is not None and self.trajectory is not None
        if measured == (self.failure is not None) or (self.metrics is None) != (self.trajectory is None):
            raise ValueError("expected either metrics and R2 trajectory, or a failure")
        if self.metrics is not None and not is_whole(set(self.metrics)):
            raise ValueError(f"expected exactly the metrics {', '.join(METRICS)}")
        if self.trajectory is not None and not curves(self.trajectory):
            raise ValueError("expected the curves of the R2 trajectory, each by its name in the log")
        if self.failure is not None and self.status != self.failure.status:
            raise ValueError(f"expected the status {self.failure.status} with this failure, not {self.status}")
        if absent := [name for name in SHORT_NAMES.values() if name not in self.config]:
            raise ValueError(f"expected {', '.join(absent)} in the config")
        return self


def config_line(flat: Mapping[str, Scalar], explored: Iterable[str] = ()) -> dict[str, Scalar]:
    """Short name -> value for the `Config:` line: the addendum's seven, then the ``explored`` dotted keys."""
    keys = dict.fromkeys((*SHORT_NAMES, *explored))
    return {SHORT_NAMES.get(key, key.rpartition(".")[2]): flat[key] for key in keys}


def entry_from(
    planned: Planned,
    result: SlotResult,
    judgement: Judgement,
    *,
    config: Mapping[str, Scalar],
    explored: Iterable[str],
    variance_update: str,
    next_parent: int | None,
    checks: Sequence[str] = (),
    limits: Thresholds = DEFAULTS,
    first_release: bool = False,
) -> LogEntry:
    """The entry of a finished slot: facts from ``planned`` and ``result``, opinions from ``judgement``.

    ``config`` is the slot's flat config under dotted keys, ``explored`` the keys shown beside the addendum's seven.
    """
    failed = result.failure is not None
    metrics = recorded(result.metrics)
    return LogEntry(
        iteration=planned.iteration,
        status=result.failure.status if result.failure else run_status(metrics.get(REWARD), limits),
        parent=planned.parent,
        role=planned.role,
        simulation_seed=planned.simulation_seed,
        training_seed=planned.training_seed,
        seed_rationale=planned.seed_rationale,
        config=config_line(config, explored),
        metrics=None if failed else metrics,
        trajectory=None if failed else trajectory(result.trajectory, limits, first_release),
        failure=result.failure,
        mutation=planned.mutation,
        parent_rule=planned.parent_rule,
        hypothesis=planned.hypothesis,
        **judgement.model_dump(),
        checks=tuple(checks),
        variance_update=variance_update,
        next_parent=next_parent,
    )
