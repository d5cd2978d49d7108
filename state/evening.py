"""What may change between evenings of one run: budget, notifications, tracker. Not a campaign's identity."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args

from pydantic import Field, field_validator

from state.schema import Section


class Budget(Section):
    """When the night ends by itself: before the batch that would break a limit. Not part of a campaign's identity."""

    max_batches: int | None = Field(None, ge=1)
    max_dollars: float | None = Field(None, gt=0, description="what Claude may cost")
    max_tokens: int | None = Field(None, ge=1, description="all tokens of all requests, cached ones too")
    max_gpu_hours: float | None = Field(None, gt=0, description="summed over slots, failed ones too")
    finish_by: str | None = Field(None, description='"HH:MM" or "YYYY-MM-DD HH:MM", local time')

    @field_validator("finish_by")
    @classmethod
    def _a_time(cls, text: str | None) -> str | None:
        try:
            if text is not None:
                moment = datetime.strptime(text, "%H:%M") if len(text) <= 5 else datetime.fromisoformat(text)
                # At the ends of the calendar a zone leads out of it.
                if len(text) > 5 and not 2000 <= moment.year <= 9000:
                    raise ValueError(text)
        except ValueError:
            raise ValueError(f'{text!r} is no time; write "07:30" or "2026-01-31 07:30", in quotes') from None
        return text


TrackerKind = Literal["none", "mlflow", "wandb"]
Event = Literal["finished", "stopped", "claude_unreachable", "slots_failing", "driver_died", "new_best", "silent"]


class Notify(Section):
    """Who is told what happens at night. Not part of a campaign's identity; secrets stand in the environment only."""

    webhook_env: str | None = Field(
        None, pattern="^[A-Z_][A-Z0-9_]*$", description="environment variable that holds the address; Slack-compatible"
    )
    command: list[str] = Field(default_factory=list, description="program and arguments; the message is on its stdin")
    events: list[Event] = Field(default_factory=lambda: list(get_args(Event)))
    timeout_s: float = Field(10.0, gt=0, le=60)
