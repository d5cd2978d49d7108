"""Looks at the curves of first runs while they train, and ends those that are hopeless: `policy.cut: on`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

from agent.night.night import Night
from state.history import Iteration
from state.metrics_log import read_column
from state.paths import SlotPaths
from trainer.engines.contract import Dispatcher
from ucb.cut import third

LOOK_S = 1.0


class Cutter:
    """Decides once for each run, as soon as its curve has reached a third of the training; a decision is journaled
    before the worker is told."""

    def __init__(self, night: Night, engine: Dispatcher) -> None:
        self._night, self._engine = night, engine
        self._decided: set[str] = set()
        self._looked = -LOOK_S

    def look(self, waiting: Iterable[Iteration]) -> None:
        """Look at the runs that are ``waiting`` for their end, at most every LOOK_S."""
        now = time.monotonic()
        if self._night.campaign.policy.cut == "off" or now - self._looked < LOOK_S:
            return
        self._looked = now
        for iteration in waiting:
            if iteration.run_id and iteration.run_id not in self._decided:
                self._look_at(iteration, iteration.run_id)

    def _look_at(self, iteration: Iteration, run_id: str) -> None:
        cutting = self._night.cutting
        # A decision of an earlier driver, whose worker may not have heard of it.
        told = iteration.cut is not None
        if cutting.may_cut(iteration) and (seen := self._seen(iteration)) is not None:
            self._decided.add(run_id)
            if seen[2] is not None and (cut := cutting.decision(iteration, seen[0], seen[1], seen[2])) is not None:
                self._night.record("slot_cut", cut)
                told = True
        if told:
            self._decided.add(run_id)
            self._engine.cancel(run_id)

    def _seen(self, iteration: Iteration) -> tuple[int, int, float | None] | None:
        """Iteration, iterations in all and value at a third of the training; None before it is reached."""
        paths = self._night.paths.slot(iteration.planned.iteration)
        total = _total(paths)
        if total is None:
            return None
        found = third(read_column(_text(paths.metrics_log), self._night.cutting.column), total)
        return None if found is None else (found[0], total, found[1])


def _total(paths: SlotPaths) -> int | None:
    """How many iterations the training has, as the worker tells while it trains."""
    try:
        told = json.loads(_text(paths.progress))
    except ValueError:
        return None
    training = isinstance(told, dict) and told.get("stage") == "training"
    total = told.get("total") if training else None
    return total if isinstance(total, int) and total > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
