"""When every slot of a batch fails, something that all need may be gone: the night stops before Claude is asked.

The failures of such a batch are not journaled: they say nothing about the configs, and the next driver runs it again.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from agent.night.night import Night
from state.errors import Standstill
from state.history import Iteration
from state.records import OWN_FAULTS, Failure, SlotResult

ALIKE_S = 60.0
MOST = 2


@dataclass
class Fate:
    """The results of one batch, the failed ones held back until a slot of it has finished.

    ``began``: run id -> when the attempt was started by this driver, on the monotonic clock.
    """

    night: Night
    held: list[tuple[Iteration, SlotResult]] = field(default_factory=list)
    began: dict[str, float] = field(default_factory=dict)
    _quick: bool = True

    def take(self, iteration: Iteration, result: SlotResult) -> list[tuple[Iteration, SlotResult]]:
        """The results that can be journaled now that this one has come."""
        self.held.append((iteration, result))
        if result.failed:
            started = self.began.get(result.run_id)
            self._quick &= started is not None and time.monotonic() - started <= ALIKE_S
            if self._may_all_fail():
                return []
        return self.release()

    def release(self) -> list[tuple[Iteration, SlotResult]]:
        """Everything that was held back."""
        held, self.held = self.held, []
        return held

    def _may_all_fail(self) -> bool:
        """Whether no slot of the batch has finished so far."""
        batch = self.night.history.batch(self.night.history.planned)
        return all(it.result is None or it.result.failed for it in batch) and all(
            result.failed for _, result in self.held
        )

    def results(self) -> list[tuple[Iteration, SlotResult]]:
        """All slots have ended: what is still to be journaled; Standstill when all failed, and too often."""
        if not self.held:
            return []
        failures = [result.failure for _, result in self.held if result.failure is not None]
        alike = self._quick and are_alike(failures)
        earlier, most = failed_batches(self.night), self.night.campaign.policy.max_failed_batches
        limit = most or (1 if alike else MOST)
        if earlier + 1 < limit:
            return self.release()
        for iteration, _ in self.held:
            # Else the next driver would take it for a result that came while no driver was there.
            self.night.paths.slot(iteration.planned.iteration).result.unlink(missing_ok=True)
        raise Standstill(_sentence(self.night, failures, earlier + 1, alike))


def are_alike(failures: list[Failure]) -> bool:
    """Whether several slots failed in one way that is no config's own; numbers, such as a pid, may differ."""
    told = {(one.kind, re.sub(r"\d+", "#", one.message)) for one in failures}
    return len(failures) > 1 and len(told) == 1 and failures[0].kind not in OWN_FAULTS


def failed_batches(night: Night) -> int:
    """How many batches in a row, up to the last committed one, have no slot that finished."""
    number = night.history.committed
    while number > 0 and all(it.result and it.result.failed for it in night.history.batch(number)):
        number -= 1
    return max(night.history.committed, 0) - number if number >= 0 else 0


def _sentence(night: Night, failures: list[Failure], batches: int, alike: bool) -> str:
    kinds = dict.fromkeys(failure.kind.replace("_", " ") for failure in failures)
    how = "alike" if alike else f"({', '.join(kinds)})"
    many = f"all {len(failures)} slots of batch {night.history.planned} failed {how}"
    more = f", the {batches}. such batch in a row" if batches > 1 else ""
    first = failures[0]
    return (
        f"{many}{more}, the first one {first.kind.replace('_', ' ')}: {first.message}; mend what they have in common "
        "(device, disk, data); the batch is run again"
    )
