"""How far the slots of a batch are, read from what the workers write; for people, never for decisions."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from state.history import Iteration
from state.paths import RunPaths, SlotPaths
from state.records import TRACED, SlotResult, undefined_line


@dataclass(frozen=True)
class SlotProgress:
    """One line of the display. ``state`` is waiting, running, done or failed; shares and R2s are None when unknown."""

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
    connectivity: float | None = None
    v_rest: float | None = None
    tau: float | None = None
    eta_s: float | None = None
    note: str = ""
    undefined: str | None = None


# Field of a display line -> key of progress.json.
FIELDS = {
    "stage": "stage",
    "phase": "phase",
    "step": "iteration",
    "total": "total",
    "connectivity": "connectivity_r2",
    "v_rest": "vrest_r2",
    "tau": "tau_r2",
    "eta_s": "eta_s",
    "undefined": "undefined",
}


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
    known: dict[str, Any] = {field: seen.get(key) for field, key in FIELDS.items()}
    return replace(base or SlotProgress(), state="running", **known)


def _finished(base: SlotProgress, result: SlotResult) -> SlotProgress:
    if result.failure is not None:
        return replace(base, state="failed", note=f"{result.failure.kind}: {result.failure.message}")
    values = [result.metrics[name] for name in TRACED]
    why = undefined_line(result.missing)
    return replace(base, state="done", connectivity=values[0], v_rest=values[1], tau=values[2], undefined=why)
