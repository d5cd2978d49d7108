"""What `policy.cut` would have saved and lost in finished runs: `python -m benchmarks.cut RUN...`.

Every run of another config than the baseline is held against the rule as if it were a first run, in the order of the
night and with the baseline's runs that had finished before its batch; the first runs, which alone would really have
been cut, are counted apart. Saved are two thirds of the training time (from the point where it would have been cut);
lost is a run that would have been cut and whose final value beats the mean of the baseline's final values.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.ledger.open_run import open_run
from state.metrics import traced
from state.records import Planned, SlotResult
from state.shapes import BatchPlanned, SlotEnded
from ucb.cut import floor_of, third
from ucb.estimates import BASELINE


@dataclass
class Tally:
    """Of some runs: how many, how many the rule would cut, minutes of training saved, good runs lost."""

    runs: int = 0
    cut: int = 0
    minutes: float = 0.0
    minutes_saved: float = 0.0
    better: int = 0
    better_lost: int = 0


@dataclass
class Played:
    """One finished run of the night; ``at_third`` and ``final`` are values of the metric, None undefined."""

    config_id: str
    simulation_seed: int
    batch: int
    first: bool
    at_third: float | None
    share: float
    final: float | None
    minutes: float


def runs_of(root: Path, metric: str) -> list[Played]:
    """The finished runs in ``root`` that have a trajectory."""
    planned: dict[int, Planned] = {}
    seen: dict[str, int] = {}
    played = []
    for record in open_run(root).records():
        if record.type == "batch_planned":
            for fields in record.of(BatchPlanned)["slots"]:
                one = Planned.model_validate(fields)
                planned[one.iteration] = one
                seen.setdefault(one.config_id, one.iteration)
        elif record.type == "slot_finished":
            ended = record.of(SlotEnded)
            result, plan = SlotResult.model_validate(ended["result"]), planned[ended["iteration"]]
            if result.trajectory:
                played.append(_played(plan, result, metric, seen[plan.config_id] == plan.iteration))
    return played


def _played(plan: Planned, result: SlotResult, metric: str, first: bool) -> Played:
    total = result.trajectory[-1].iteration
    found = third([(point.iteration, point.values().get(metric)) for point in result.trajectory], total)
    at, value = found or (total, None)
    minutes = result.seconds.get("training", 0.0) / 60
    return Played(
        plan.config_id, plan.simulation_seed, plan.batch, first, value, at / total, result.metrics.get(metric), minutes
    )


def judge(runs: list[Played]) -> dict[str, Tally]:
    """`first runs` and `all runs` of configs other than the baseline, held against the rule."""
    finals = [run.final for run in runs if run.config_id == BASELINE and run.final is not None]
    mean = sum(finals) / len(finals) if finals else float("inf")
    tallies = {"first runs": Tally(), "all runs": Tally()}
    for run in runs:
        if run.config_id == BASELINE:
            continue
        floor = floor_of(list(_baseline(runs, run.batch).values()))
        is_cut = floor is not None and run.at_third is not None and run.at_third < floor.limit
        for name in tallies if run.first else ["all runs"]:
            _count(tallies[name], run, is_cut, mean)
    return tallies


def _baseline(runs: Iterable[Played], before: int) -> dict[int, float]:
    """Data seed -> value at a third of the first baseline run on it, of the batches before ``before``."""
    found: dict[int, float] = {}
    for run in runs:
        if run.config_id == BASELINE and run.batch < before and run.at_third is not None:
            found.setdefault(run.simulation_seed, run.at_third)
    return found


def _count(tally: Tally, run: Played, is_cut: bool, mean: float) -> None:
    better = run.final is not None and run.final > mean
    tally.runs += 1
    tally.minutes += run.minutes
    tally.better += better
    if is_cut:
        tally.cut += 1
        tally.minutes_saved += run.minutes * (1 - run.share)
        tally.better_lost += better


def main() -> None:
    """The command line: a line a run directory and metric."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="run directories")
    parser.add_argument("--metric", choices=list(traced()), help="default: the primary one of each campaign")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    for root in given.runs:
        metric = given.metric or open_run(root).campaign().goal.primary
        runs = runs_of(root, metric)
        tallies = judge(runs)
        if given.json:
            print(json.dumps({"run": str(root), "metric": metric} | {name: asdict(t) for name, t in tallies.items()}))
            continue
        base = sum(run.config_id == BASELINE for run in runs)
        for name, t in tallies.items():
            print(
                f"{root} ({metric}, {base} baseline runs), {name}: {t.cut} of {t.runs} cut; {t.minutes_saved:.1f} of "
                f"{t.minutes:.1f} min saved; {t.better_lost} of {t.better} that beat the baseline's mean lost"
            )


if __name__ == "__main__":
    main()
