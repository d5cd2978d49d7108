"""`nightfly replay --retrain N`: trains an iteration again from its recorded config and compares the metrics."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from agent.ledger.ledger import Ledger
from agent.ledger.open_run import open_run
from state.errors import RunError
from state.history import Iteration
from state.metrics import METRICS
from state.records import SlotResult
from trainer.engines.contract import Ended, Job, collect
from trainer.engines.inline import InlineEngine
from trainer.engines.local import THREAD_VARIABLES

# Another device adds numbers in another order; training amplifies the rounding to about the spread of training seeds.
TOLERANCE = 0.05
TIMED = "training_time_min"
A_DAY_S = 86_400.0


@dataclass(frozen=True)
class Row:
    """One metric, recorded and now; ``agrees`` None = not compared (a time, or not measured by one of the two)."""

    metric: str
    recorded: float | None
    now: float | None
    agrees: bool | None


@dataclass(frozen=True)
class Retraining:
    """How a second training of an iteration compares with the first; ``tolerance`` 0 = must be equal."""

    iteration: int
    devices: tuple[str, str]
    tolerance: float
    rows: list[Row]
    failure: str | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing contradicts the record."""
        return self.failure is None and all(row.agrees is not False for row in self.rows)


def retrain(root: Path, number: int) -> Retraining:
    """Train iteration ``number`` of the run in ``root`` again, in a folder of its own that is removed after."""
    ledger = open_run(root).ledger()
    iteration = ledger.history.iterations.get(number)
    if iteration is None or iteration.result is None:
        last = max((n for n, it in ledger.history.iterations.items() if it.result), default=0)
        raise RunError(f"{root}: iteration {number} has no result; finished iterations go from 1 to {last}")
    if iteration.result.cut:
        raise RunError(f"{root}: iteration {number} was cut and has no final value to compare with; name another one")
    with tempfile.TemporaryDirectory(prefix="nightfly-retrain-") as folder:
        now = _train(ledger, iteration, Path(folder))
    return compare(number, iteration.result, now)


def _train(ledger: Ledger, iteration: Iteration, folder: Path) -> SlotResult:
    job = Job(iteration.run_id or "", iteration.planned.config_hash, folder, A_DAY_S)
    job.write(ledger.blobs.text(iteration.planned.config))
    if ledger.campaign.trainer == "surrogate":
        engine = InlineEngine(ledger.campaign.surrogate)
        engine.submit([job])
        return collect(engine.poll()[1][0])
    with (folder / "stderr.log").open("wb") as errors:
        done = subprocess.run(
            [sys.executable, "-m", "trainer.slot", str(folder)],
            stdout=errors,
            stderr=errors,
            env=os.environ | _threads(iteration.result),
            check=False,
        )
    return collect(Ended(job, done.returncode))


def _threads(recorded: SlotResult | None) -> dict[str, str]:
    """The recorded number of threads, as the environment has it: results hang on it in the last bits."""
    found = re.search(r", (\d+) threads?$", recorded.trained_on if recorded else "")
    return dict.fromkeys(THREAD_VARIABLES, found[1]) if found else {}


def compare(number: int, old: SlotResult, new: SlotResult) -> Retraining:
    """Hold ``new`` against ``old``: equal on the same device, within TOLERANCE on another one."""
    devices = old.trained_on, new.trained_on
    tolerance = 0.0 if devices[0] == devices[1] else TOLERANCE
    failures = [result.failure.kind if result.failure else None for result in (old, new)]
    if failures[0] != failures[1]:
        told = [kind or "done" for kind in failures]
        return Retraining(number, devices, tolerance, [], f"recorded as {told[0]}, now {told[1]}")
    rows = []
    for metric in METRICS:
        a, b = old.metrics.get(metric), new.metrics.get(metric)
        compared = metric != TIMED and metric in old.metrics and metric in new.metrics
        agrees = _agree(a, b, tolerance) if compared else None
        rows.append(Row(metric, a, b, agrees))
    return Retraining(number, devices, tolerance, rows)


def _agree(a: float | None, b: float | None, tolerance: float) -> bool:
    return a == b if a is None or b is None else abs(a - b) <= tolerance
