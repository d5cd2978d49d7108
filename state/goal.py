"""What a night is to find: the metric that must rise, what the others may lose, and how often it may be wrong."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from state.metrics import judged, watched
from state.schema import Section


def _is_judged(name: str) -> str:
    if name not in judged():
        raise ValueError(f"a goal is about {', '.join(judged())}")
    return name


Judged = Annotated[str, AfterValidator(_is_judged)]


def _margins() -> dict[Judged, float]:
    return {name: margin for name, margin in judged().items() if margin is not None}


class Goal(Section):
    """A config is confirmed better when ``primary`` rises and no metric of ``margins`` falls by its margin."""

    primary: Judged = Field("V_rest_R2", description="the metric that must rise")
    margins: dict[Judged, float] = Field(
        default_factory=_margins, description="what each other metric may lose and still count as kept"
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
        return tuple(dict.fromkeys((self.primary, *self.margins, *watched())))
