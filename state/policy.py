"""The rules of a batch: the section `policy` of a campaign."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from state.added import Growing, added

Mode = Literal["reject", "warn"]
Design = Literal["roles", "forced_seeds", "one_change"]
# Slots of a batch -> how many keys one screening batch tells of: a half fraction of two levels has 2^(k-1) runs.
SCREENED_KEYS = {4: 3, 8: 4, 16: 5}


def _as_a_word(value: Any) -> Any:
    """YAML reads a bare `on` or `off` as a truth value."""
    return ("on" if value else "off") if isinstance(value, bool) else value


Switch = Annotated[Literal["off", "on"], BeforeValidator(_as_a_word)]


class Policy(Growing):
    """The addendum's rules for a batch; each can reject a reply or only warn."""

    baseline_runs: int = Field(12, ge=1, description="runs of the unchanged defaults before anything is explored")
    baseline_standard: int = added(
        0,
        before=0,
        ge=0,
        description="runs of standard training (alternate_training: false) on the baseline's data, which the program "
        "plans after the baseline runs; two-stage training is compared with them",
    )
    min_replicates: int = Field(2, ge=0, description="per batch until the top configs have enough runs")
    min_replicates_later: int = Field(1, ge=0)
    max_failed_batches: int | None = Field(
        None,
        ge=1,
        description="batches in a row of which every slot failed, then a stop; default: 2, or 1 where all slots failed "
        "alike within a minute and not by their configs",
    )
    top_configs: int = Field(3, ge=1)
    runs_of_top: int = Field(3, ge=1)
    max_changes: int = Field(2, ge=1, description="parameters one mutation may change")
    time_limit_min: float = Field(90.0, gt=0, description="flag and limit for one slot, all its stages together")
    time_floor: float = added(
        0.0, before=0.0, ge=0, lt=1, description="share of time_limit_min below which the prompt asks for longer runs"
    )
    design: Design = added(
        "roles",
        before="roles",
        description="of a batch after the baseline: the addendum's roles; or one config on the seeds offered to all "
        "slots; or the parent unchanged in slot 0, and one changed key in each other slot",
    )
    cut: Switch = added(
        "off",
        before="off",
        description="on: a first run whose primary metric lies far below the baseline's at a third of its training "
        "is ended there",
    )
    screening: int = added(
        0,
        before=0,
        ge=0,
        le=10,
        description="how many batches of one run may be screening batches: several keys at once, in a design of the "
        "program's, for the main effect of each",
    )
    fill_idle: Switch = added(
        "off",
        before="off",
        description="on: where a slot ends early and others train on, a replicate that is owed starts in its place, as "
        "a slot of the next batch",
    )
    baseline: Mode = "reject"
    replicates: Mode = "reject"
    mutation_size: Mode = "reject"
    time: Mode = "reject"


def no_place_for_hints(policy: Policy) -> str | None:
    """Why hints fit no slot of a campaign with that policy, as a sentence; None where they do."""
    if policy.design == "roles":
        return None
    return (
        f"a hint is one change in one exploit slot, and policy.design {policy.design} has no such slots; leave them out"
    )
