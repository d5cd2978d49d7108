"""The made-up response surface of a rehearsal: what matters on it, how it varies, and how often a run goes wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from state.added import Growing, added


class SurrogateConfig(Growing):
    """What `trainer: surrogate` answers with. The noises are standard deviations of connectivity_R2."""

    surface: Literal["peak", "flat", "ridge"] = Field(
        "peak",
        description="peak: an optimum in all keys; flat: nothing matters; ridge: alternate_joint_ratio alone does",
    )
    effect: float = Field(0.0, ge=0, description="ridge: what alternate_joint_ratio of 0.5 or more adds to V_rest_R2")
    noise_data: float = Field(0.015, ge=0, description="the same for all configs on one simulation seed")
    noise_training: float = Field(0.01, ge=0, description="another one for each run")
    tails: Literal["normal", "heavy"] = Field("normal", description="heavy: Student's t with 3 degrees of freedom")
    bad_share: float = Field(0.0, ge=0, le=1, description="of runs, or of data seeds, that are badly recovered")
    bad_by: Literal["run", "data_seed"] = "run"
    standard_loss: float = added(0.0, before=0.0, ge=0, description="what standard training lacks in V_rest_R2")
    failure_share: float = Field(0.04, ge=0, le=1, description="of slots that fail")
