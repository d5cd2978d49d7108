"""Begins owed replicates of the next batch in places that are idle: `policy.fill_idle: on`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from agent.ledger.budget import why_stop
from agent.night.night import Night
from agent.night.owed_run import slot_ahead
from agent.night.standstill import ALIKE_S, failed_batches
from state.history import Iteration
from state.journal import utc_now
from state.shapes import SlotPlanned

LOOK_S = 1.0


class Ahead:
    """Looks for idle places while a batch trains. A run is journaled as a slot of the next batch before it begins.

    ``start`` begins an attempt and returns its run id.
    """

    def __init__(self, night: Night, start: Callable[[Iteration], str]) -> None:
        self._night, self._start = night, start
        self._looked = -LOOK_S

    def look(self, waiting: Mapping[str, Iteration]) -> None:
        """Fill idle places beside the runs that are ``waiting`` for their end, at most every LOOK_S."""
        night, now = self._night, time.monotonic()
        if night.campaign.policy.fill_idle == "off" or now - self._looked < LOOK_S:
            return
        self._looked = now
        lefts = self._lefts(waiting.values())
        if not self._goes_on(max(lefts.values(), default=0.0)):
            return
        for iteration in night.history.ahead.values():
            # Planned by a driver that died, or one whose workers died with it.
            if not self._has_begun(iteration) and self._room(waiting):
                night.jobs_ahead.begun(self._start(iteration))
        while self._room(waiting) and (planned := self._due(waiting, lefts)) is not None:
            night.record("slot_planned", planned)
            night.jobs_ahead.begun(self._start(night.history.run(planned["slot"]["iteration"])))

    def _lefts(self, waiting: Iterable[Iteration]) -> dict[int, float]:
        """Iteration -> the minutes that it will go on training, as far as that can be predicted."""
        views, now = self._night.views, utc_now()
        predicted = {one.planned.iteration: views.times.predict(views.config(one)) for one in waiting}
        gone = self._night.spending.minutes_since_start
        return {number: minutes - gone(number, now) for number, minutes in predicted.items() if minutes is not None}

    def _goes_on(self, left_min: float) -> bool:
        """Whether there will be a next batch when the one in hand has ended."""
        history, end = self._night.history, datetime.now(UTC) + timedelta(minutes=max(0.0, left_min))
        return history.asked is None and why_stop(self._night, history.budget, end, in_hand=1) is None

    def _has_begun(self, iteration: Iteration) -> bool:
        """Whether it trains, or has ended and waits for its batch."""
        if iteration.run_id is None:
            return False
        result = self._night.paths.slot(iteration.planned.iteration).result
        return iteration.run_id in self._night.jobs_ahead or result.exists()

    def _room(self, waiting: Mapping[str, Iteration]) -> bool:
        """Whether a place is idle."""
        night = self._night
        ahead = sum(night.jobs_ahead.trains(one.run_id) for one in night.history.ahead.values())
        return len(waiting) + ahead < (night.waiting.places or night.campaign.search.n_parallel)

    def _due(self, waiting: Mapping[str, Iteration], lefts: Mapping[int, float]) -> SlotPlanned | None:
        trains = {iteration.planned.iteration for iteration in waiting.values()}
        history = self._night.history
        ended = [number for number in history.batches[history.planned] if number not in trains]
        if not ended or not lefts or not self._is_sound(trains):
            return None
        waits_for = max(lefts, key=lambda number: lefts[number])
        return slot_ahead(self._night, ended, waits_for, round(lefts[waits_for], 3))

    def _is_sound(self, trains: Iterable[int]) -> bool:
        """Whether what ended says nothing about the machine: a slot has finished, or all others train on for long.

        Else what made the first slot fail may be about to end all, and a run ahead with them.
        """
        night, now = self._night, utc_now()
        if any(it.result is not None and not it.result.failed for it in night.history.batch(night.history.planned)):
            return True
        minutes = [night.spending.minutes_since_start(number, now) for number in trains]
        return not failed_batches(night) and 60 * min(minutes, default=0.0) > ALIKE_S
