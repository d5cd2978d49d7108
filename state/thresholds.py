"""The limits by which the program judges a run and a config (the addendum's science; a campaign may set its own)."""

from __future__ import annotations

from pydantic import Field

from state.metrics import Metric, tabled
from state.schema import Section

_STEADY = {row.steady.setting: row.steady for row in tabled(1) if row.steady}


class Thresholds(Section):
    """Statuses, trends, and the robust/fragile classes; CVs are fractions (0.05 = 5 %)."""

    converged: float = Field(0.8, description="connectivity_R2 above this is converged")
    partial: float = Field(0.3, description="connectivity_R2 from this up is partial, below it failed")
    decay: float = Field(0.03, gt=0, description="final below peak by more than this is decaying")
    rise: float = Field(0.01, gt=0, description="gain over the last third by more than this is rising")
    vrest_gain: float = Field(0.02, gt=0, description="V_rest gain in the V_rest phase below this is flat")
    conn_max_cv: float = _STEADY["conn"].max_cv
    conn_min: float = _STEADY["conn"].least
    tau_max_cv: float = _STEADY["tau"].max_cv
    tau_min: float = _STEADY["tau"].least
    vrest_max_cv: float = _STEADY["vrest"].max_cv
    vrest_min: float = _STEADY["vrest"].least
    cluster_max_cv: float = _STEADY["cluster"].max_cv
    cluster_min: float = _STEADY["cluster"].least
    fragile_cv: float = Field(0.25, description="any CV above this is fragile")
    fragile_min_of_mean: float = Field(0.5, description="any minimum below this share of its mean is fragile")
    enough_runs: int = 4
    enough_cv_std: float = Field(0.02, description="bootstrap std of CV(conn) below this is narrow enough")

    def steady(self, metric: Metric) -> tuple[float, float] | None:
        """(highest CV, lowest minimum) of a config that is robust in ``metric``; None when it says nothing of that."""
        if (row := metric.steady) is None:
            return None
        return getattr(self, f"{row.setting}_max_cv", row.max_cv), getattr(self, f"{row.setting}_min", row.least)
