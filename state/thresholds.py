"""The limits by which the program judges a run and a config (the addendum's science; a campaign may set its own)."""

from __future__ import annotations

from pydantic import Field

from state.schema import Section


class Thresholds(Section):
    """Statuses, trends, and the robust/fragile classes; CVs are fractions (0.05 = 5 %)."""

    converged: float = Field(0.8, description="connectivity_R2 above this is converged")
    partial: float = Field(0.3, description="connectivity_R2 from this up is partial, below it failed")
    decay: float = Field(0.03, gt=0, description="final below peak by more than this is decaying")
    rise: float = Field(0.01, gt=0, description="gain over the last third by more than this is rising")
    vrest_gain: float = Field(0.02, gt=0, description="V_rest gain in the V_rest phase below this is flat")
    conn_max_cv: float = 0.05
    conn_min: float = 0.90
    tau_max_cv: float = 0.05
    tau_min: float = 0.90
    vrest_max_cv: float = 0.20
    vrest_min: float = 0.40
    cluster_max_cv: float = 0.10
    cluster_min: float = 0.80
    fragile_cv: float = Field(0.25, description="any CV above this is fragile")
    fragile_min_of_mean: float = Field(0.5, description="any minimum below this share of its mean is fragile")
    enough_runs: int = 4
    enough_cv_std: float = Field(0.02, description="bootstrap std of CV(conn) below this is narrow enough")
