"""What a night is to find: the metric that must rise, what the others may lose, and how often it may be wrong."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from state.schema import Section

Judged = Literal["connectivity_R2", "tau_R2", "V_rest_R2", "cluster_accuracy", "test_R2", "test_pearson"]
# The addendum: connectivity_R2 0.944 kept (CV 3.8 %: a standard deviation of 0.036), tau_R2 0.97 kept, V_rest_R2 up.
MARGINS: dict[Judged, float] = {"connectivity_R2": 0.036, "tau_R2": 0.03}
WATCHED: tuple[Judged, ...] = ("test_R2", "test_pearson")


class Goal(Section):
    """A config is confirmed better when ``primary`` rises and no metric of ``margins`` falls by its margin."""

    primary: Judged = Field("V_rest_R2", description="the metric that must rise")
    margins: dict[Judged, float] = Field(
        default_factory=lambda: dict(MARGINS), description="what each other metric may lose and still count as kept"
    )
    error_budget: float = Field(0.05, gt=0, le=0.2, description="chance of any false `confirmed better` in one night")

    @model_validator(mode="after")
    def _others(self) -> Self:
        if self.primary in self.margins:
            raise ValueError(f"margins: {self.primary} is the primary metric, which must rise; remove it here")
        if any(margin <= 0 for margin in self.margins.values()):
            raise ValueError("margins: each must be above 0")
        return self

    @property
    def judged(self) -> tuple[str, ...]:
        """Every metric that a confirmation looks at, the primary one first."""
        return tuple(dict.fromkeys((self.primary, *self.margins, *WATCHED)))
