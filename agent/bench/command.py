"""`nightfly bench`: nights of several explorers on the same seeds, then one page of what each was worth."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agent.bench.fresh import fresh_values
from agent.bench.layout import BenchPaths, settle, write_night
from agent.bench.measure import Measured, measure, true_value
from agent.bench.nights import Night, run_all
from agent.bench.page import render_bench
from agent.bench.summary import pairs, spread
from agent.commands.prepare import prepare
from agent.explorers.choose import make_explorer, refuse_control, refuse_hints
from agent.people.steps import Steps
from state.campaign import Campaign, load_campaign
from state.errors import RunError, UserError
from state.explorer import Choice, choice_named
from state.files import write_atomic
from state.lock import DriverLock
from trainer.engines.factory import find_gpus


def bench(file: Path, explorers: str, nights: int, batches: int, jobs: int, out: Path, fresh: int, on_cpu: bool) -> int:
    """Run what is not there yet, then write bench.json and the page; 1 when a night could not be finished."""
    arms, campaign = chosen(explorers), load_campaign(file, say)
    refuse_control(campaign)
    for arm in arms:
        make_explorer(campaign, arm.explorer)
        refuse_hints(campaign, arm.hints)
    if out.exists() and not out.is_dir():
        raise RunError(f"{out}: is a file; give --out a directory")
    out.mkdir(parents=True, exist_ok=True)
    paths = BenchPaths(out)
    lock = DriverLock(paths.lock)
    try:
        settle(paths, file, campaign)
        stopped = _run(paths, file, campaign, arms, nights, batches, jobs, on_cpu)
        return _conclude(paths, campaign, arms, nights, batches, fresh, stopped)
    except KeyboardInterrupt:
        say("stopped; the same command goes on with it")
        return 130
    finally:
        lock.release()


def chosen(explorers: str) -> list[Choice]:
    """The explorers of a list such as `rules,rules+tpe`; UserError for one that is none, or that is named twice."""
    names = [name.strip() for name in explorers.split(",")]
    found = [choice_named(name, f"--explorers {explorers}") for name in names]
    if len(set(found)) < len(found):
        raise UserError(f"--explorers {explorers}: names one of them twice; name each once")
    return found


def say(text: str) -> None:
    """A line for who watches."""
    print(f"nightfly: {text}", file=sys.stderr, flush=True)


def _run(
    paths: BenchPaths,
    file: Path,
    campaign: Campaign,
    arms: Sequence[Choice],
    nights: int,
    batches: int,
    jobs: int,
    on_cpu: bool,
) -> list[str]:
    """Play all nights; returns a sentence for each that could not be finished.

    Where networks are trained, the first explorer's nights come first, and the others take what it has trained.
    """
    if jobs > 1 and campaign.trainer == "gnn" and campaign.engine.kind == "local" and find_gpus():
        raise UserError(
            "--jobs: nights side by side would share this machine's GPUs; leave it out, each slot has its own"
        )
    prepared = prepare(campaign, file, on_cpu, Steps())
    for number in range(1, nights + 1):
        write_night(paths, file, number)
    todo = [Night(paths, number, arm, batches, prepared) for number in range(1, nights + 1) for arm in arms]
    # What the first explorer's night has trained, the baseline first of all, the others need not train again.
    first = [night for night in todo if campaign.trainer == "gnn" and night.who == arms[0]]
    stopped = _played(first, jobs)
    return stopped + _played([night for night in todo if night not in first], jobs)


def _played(nights: Sequence[Night], jobs: int) -> list[str]:
    stopped = []
    for night, why in run_all(nights, jobs):
        say(f"{night.name}: {why or 'done'}")
        if why:
            stopped.append(f"{night.name}: {why}")
    return stopped


def _conclude(
    paths: BenchPaths,
    campaign: Campaign,
    arms: Sequence[Choice],
    nights: int,
    batches: int,
    fresh: int,
    stopped: Sequence[str],
) -> int:
    whole = [n for n in range(1, nights + 1) if all(Night(paths, n, arm, batches, {}).done() for arm in arms)]
    for sentence in stopped:
        say(f"not finished: {sentence}")
    if not whole:
        say("no night is finished for every explorer; the same command goes on with them")
        return 1
    found = {arm: [measure(paths.run(n, arm.name), batches) for n in whole] for arm in arms}
    data = bench_data(paths, campaign, found, whole, fresh, say)
    write_atomic(paths.results, json.dumps(data, indent=1) + "\n")
    write_atomic(paths.page, render_bench(data))
    for line in told(data):
        print(line)
    print(f"Page: {paths.page}  figures: {paths.results}")
    return 1 if stopped else 0


def bench_data(
    paths: BenchPaths,
    campaign: Campaign,
    found: dict[Choice, list[Measured]],
    nights: Sequence[int],
    fresh: int,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """All figures as plain data. The value of a pick is the true one on a surrogate, else that on ``fresh`` data."""
    base, batches = campaign.base_config(), len(next(iter(found.values()))[0].picks)
    trained = campaign.trainer == "gnn"
    if trained:
        picks = [one.picks[-1] for some in found.values() for one in some]
        values = fresh_values(paths, campaign, [base, *picks], fresh, tell)
        curves = {arm: [[values[one.picks[-1].identity()]] for one in some] for arm, some in found.items()}
        defaults, slots = values[base.identity()], [batches * campaign.search.n_parallel]
    else:
        curves = {arm: [one.values for one in some] for arm, some in found.items()}
        defaults = true_value(campaign, base)
        slots = [(n + 1) * campaign.search.n_parallel for n in range(batches)]
    finals = {arm.name: [curve[-1] for curve in some] for arm, some in curves.items()}
    return {
        "campaign": campaign.title(),
        "identity": campaign.identity(),
        "metric": campaign.goal.primary,
        "value": f"mean over {fresh} fresh data seeds" if trained else "true value on the surrogate's surface",
        "nights": list(nights),
        "batches": batches,
        "slots": slots,
        "baseline_slots": campaign.policy.baseline_runs,
        "defaults": defaults,
        "arms": {arm.name: _arm(arm, curves[arm], some) for arm, some in found.items()},
        "pairs": pairs(finals),
    }


def _arm(arm: Choice, curves: list[list[float]], nights: Sequence[Measured]) -> dict[str, Any]:
    idle = [one.idle for one in nights if one.idle is not None]
    best = [one.best for one in nights if one.best is not None]
    proposals, replies = (sum(getattr(one, name) for one in nights) for name in ("proposals", "replies"))
    return {
        "title": arm.title,
        "curves": curves,
        "by_slots": [spread(column) for column in zip(*curves, strict=True)],
        "best_tried": sum(best) / len(best) if best else None,
        "changed": sum(one.picks[-1].identity() != one.picks[0].identity() for one in nights),
        "gpu_hours": sum(one.gpu_hours for one in nights),
        "paid_hours": sum(one.paid_hours for one in nights),
        "dollars": sum(one.dollars for one in nights),
        "idle": sum(idle) / len(idle) if idle else None,
        "refused": sum(one.refused for one in nights) / proposals if proposals else 0.0,
        "sent_back": sum(one.sent_back for one in nights) / replies if replies else 0.0,
    }


def told(data: dict[str, Any]) -> list[str]:
    """The result in lines: each explorer, then each pair."""
    nights, defaults = len(data["nights"]), data["defaults"]
    lines = [f"{data['metric']} of the pick ({data['value']}), nights: {nights}, defaults: {defaults:.3f}"]
    for arm in data["arms"].values():
        lines.append(f"{arm['title']}: {with_interval(arm['by_slots'][-1])}, {100 * arm['refused']:.1f} % refused")
    for pair in data["pairs"]:
        names = f"{pair['a']} - {pair['b']}"
        lines.append(f"{names}: {with_interval(pair, sign=True)}, Wilcoxon p = {pair['p']:.3g}")
    return lines


def with_interval(found: dict[str, Any], sign: bool = False) -> str:
    """`0.512 (95 %: 0.490 to 0.534)`."""
    form = "+.3f" if sign else ".3f"
    ends = found["interval"]
    return f"{found['mean']:{form}}" + (f" (95 %: {ends[0]:{form}} to {ends[1]:{form}})" if ends else "")
