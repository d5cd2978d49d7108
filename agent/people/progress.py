"""How far the slots of a batch are, read from what the workers write; for people, never for decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from state.history import History, Iteration
from state.metrics import traced, undefined_line
from state.paths import RunPaths, SlotPaths
from state.records import SlotResult


@dataclass(frozen=True)
class SlotProgress:
    """One line of the display. ``state`` is waiting, running, done, failed or cut.

    ``metrics``: the last of those followed. None = unknown. ``ahead``: the batch that it runs ahead of, else 0.
    """

    slot: int = 0
    iteration: int = 0
    config_id: str = ""
    role: str = ""
    mutation: str = ""
    state: str = "waiting"
    stage: str | None = None
    phase: str | None = None
    step: int | None = None
    total: int | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    eta_s: float | None = None
    note: str = ""
    undefined: str | None = None
    ahead: int = 0


# Field of a display line -> key of progress.json.
FIELDS = {
    "stage": "stage",
    "phase": "phase",
    "step": "iteration",
    "total": "total",
    "eta_s": "eta_s",
    "undefined": "undefined",
}


def in_hand(paths: RunPaths, history: History) -> list[SlotProgress]:
    """The slots of the batch in hand, then those that run ahead of the next one."""
    ahead = [iteration for _, iteration in sorted(history.ahead.items())]
    rows = [slot_progress(paths, iteration) for iteration in history.batch(history.planned)]
    return rows + [replace(slot_progress(paths, one), ahead=one.planned.batch) for one in ahead]


def slot_progress(paths: RunPaths, iteration: Iteration) -> SlotProgress:
    """The present state of one planned iteration."""
    planned = iteration.planned
    base = SlotProgress(planned.slot, planned.iteration, planned.config_id, planned.role, planned.mutation)
    if iteration.result is not None:
        return _finished(base, iteration.result)
    if iteration.run_id is None:
        return base
    return read_progress(paths.slot(planned.iteration), base) or base


def read_progress(paths: SlotPaths, base: SlotProgress | None = None) -> SlotProgress | None:
    """What the worker last said; None when it has not said anything yet."""
    try:
        seen = json.loads(paths.progress.read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(seen, dict):
        return None
    known: dict[str, Any] = {name: seen.get(key) for name, key in FIELDS.items()}
    measured = seen.get("metrics")
    known["metrics"] = measured if isinstance(measured, dict) else {}
    return replace(base or SlotProgress(), state="running", **known)


def _finished(base: SlotProgress, result: SlotResult) -> SlotProgress:
    if result.failure is not None:
        return replace(base, state=result.failure.status, note=f"{result.failure.kind}: {result.failure.message}")
    values = {name: result.metrics.get(name) for name in traced()}
    return replace(base, state="done", metrics=values, undefined=undefined_line(result.missing))
