"""The runs that an entry of a predecessor's log states: their metrics, and their seeds where it names them."""

from __future__ import annotations

from collections.abc import Mapping

from agent.audit.entry import Entry
from agent.audit.values import Value
from state.metrics import METRICS, REWARD
from state.records import Status
from state.shapes import StatedRun

_SIMULATION = ("sim_seed", "simulation_seed", "simulation.seed", "seed")
_TRAINING = ("train_seed", "training_seed", "training.seed")


def stated_runs(entry: Entry, status: Status) -> list[StatedRun]:
    """One run for each `Slot N:` line, else one of the entry, as far as their connectivity_R2 is stated.

    An entry of ``status`` failed without any figure is a run that failed.
    """
    told = {**entry.config, **entry.seeds}
    if entry.slots:
        runs = [_run(slot.metrics, {**told, **slot.seeds}) for slot in entry.slots]
    else:
        runs = [_run(entry.metrics, told)]
    if status == "failed" and not any(run["metrics"] for run in runs):
        return runs[:1]
    return [run for run in runs if REWARD in run["metrics"]]


def _run(metrics: Mapping[str, float | None], told: Mapping[str, Value]) -> StatedRun:
    return {
        "metrics": {name: value for name in METRICS if (value := metrics.get(name)) is not None},
        "simulation_seed": _seed(told, _SIMULATION),
        "training_seed": _seed(told, _TRAINING),
    }


def _seed(told: Mapping[str, Value], names: tuple[str, ...]) -> int | None:
    found = (told[name] for name in names if name in told)
    return next((int(value) for value in found if isinstance(value, float) and value.is_integer()), None)
