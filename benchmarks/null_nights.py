"""What is found in a night in which nothing matters? `python -m benchmarks.null_nights --nights 400 --json`.

Whole nights of `campaigns/null.yaml` through plan, mocked Claude, guard and journal, in five worlds of noise. Printed
with one-sided 95 % bounds: nights with a false `confirmed better`, coverage of the intervals, and how often a true
effect is confirmed, by its size and by the runs it took. Beside them what the rules of the first release would
have said of the same runs. Nights run in memory (`benchmarks.rehearsal`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from agent.claude.mock import MockLLM
from agent.ledger.views import Views
from agent.night.loop import run_batch, start
from agent.night.night import open_night
from benchmarks.rehearsal import Rehearsal
from state.campaign import Campaign
from state.files import dump_yaml, read_yaml
from state.schema import validate
from trainer.engines.inline import InlineEngine
from ucb import compare_runs
from ucb.cells import Cells
from ucb.compare import compare
from ucb.earlier_noise import with_earlier
from ucb.noise import Noise, pool
from ucb.shares import share
from ucb.variance import ConfigStats

CAMPAIGN = Path(__file__).resolve().parents[1] / "campaigns" / "null.yaml"
WORLDS: dict[str, dict[str, Any]] = {
    "data and training": {"noise_data": 0.03, "noise_training": 0.02},
    "data larger": {"noise_data": 0.035, "noise_training": 0.008},
    "training only": {"noise_data": 0.0, "noise_training": 0.036},
    "one run in six bad": {"noise_data": 0.03, "noise_training": 0.02, "bad_share": 1 / 6, "bad_by": "run"},
    "one data seed in six bad": {"noise_data": 0.03, "noise_training": 0.02, "bad_share": 1 / 6, "bad_by": "data_seed"},
}
TOTAL_SD = 0.036
EFFECTS = (0.5, 1.0, 2.0)
# Runs of a config by data seed, against 12 runs on 12 data seeds.
SEEDS: dict[str, list[int]] = {
    "3": [1] * 3,
    "4": [1] * 4,
    "6": [1] * 6,
    "12": [1] * 12,
    "6 on 3 seeds": [2] * 3,
    "6, 4 on one seed": [4, 1, 1],
    "12 on 4 seeds": [3] * 4,
    "6, 5 on one seed": [5, 1],
    "6 on one seed": [6],
}
PARTS = ("false", "long", "coverage", "power", "screening")
STRIDE = 100_000
DECIDED = 8


@dataclass
class Found:
    """What one night found. ``trials``: (truly better, runs at its last look, confirmed).

    Only trials with a verdict or at least DECIDED runs are counted: a night can end before.
    """

    confirmed: bool
    trials: list[tuple[bool, int, bool]] = field(default_factory=list)
    first_release: bool = False
    spent: float = 0.0


def night(
    number: int,
    surface: dict[str, Any],
    batches: int,
    fresh_data: bool,
    folder: Path | None = None,
    screening: int = 0,
) -> Found:
    """One night with seeds of its own, in memory, or with all its files in ``folder``."""
    tree = read_yaml(CAMPAIGN)
    tree["policy"]["screening"] = screening
    tree["surrogate"] |= surface
    tree["seeds"] = {"simulation_base": number * STRIDE, "training_base": 10**8 + number * STRIDE}
    llm = MockLLM(fresh_data)
    if folder is None:
        rehearsal = Rehearsal(validate(Campaign, tree, str(CAMPAIGN)), llm)
        rehearsal.run(batches)
        return _found(rehearsal.views)
    file = folder / "campaign.yaml"
    file.write_text(dump_yaml(tree))
    run = open_night(file, folder / "run", dry_run=True)
    run.derived.draw = lambda: None  # type: ignore[method-assign]
    try:
        start(run, llm)
        for _ in range(batches):
            run_batch(run, llm, InlineEngine(run.campaign.surrogate), lambda *_: None)
        return _found(run.views)
    finally:
        run.close()


def _found(views: Views) -> Found:
    confirmations = views.confirmations
    trials = [
        (_truly_better(views, trial.config_id), trial.looks[-1].runs, trial.outcome == "confirmed better")
        for trial in confirmations.trials
        if trial.looks and (not trial.open or trial.looks[-1].runs >= DECIDED)
    ]
    false = any(confirmed and not better for better, _, confirmed in trials)
    return Found(false, trials, _first_release(views), confirmations.spent)


def _truly_better(views: Views, config_id: str) -> bool:
    """On the ridge, whether the config stands on its high side."""
    surface = views.campaign.surrogate
    node = views.history.iterations[views.latest_node[config_id]]
    joint = views.config(node).training.alternate_joint_ratio
    return surface.surface == "ridge" and surface.effect > 0 and joint >= 0.5


def _first_release(views: Views) -> bool:
    """Whether the first release would have called its best config better than the baseline."""
    table = views.table
    old = [ConfigStats(name, table[name].runs, table.limits, format=1) for name in table.names()]
    ranked = sorted((stats for stats in old if stats.ranked), key=lambda stats: -stats.score)
    if not ranked or ranked[0].config_id == "C1":
        return False
    pair = ranked[0].runs[-48:], table["C1"].runs[-48:]
    return any(compare_runs.compare(*pair, name).standing == "better" for name in ("connectivity_R2", "V_rest_R2"))


def nights(count: int, surface: dict[str, Any], batches: int, fresh_data: bool, screening: int = 0) -> Iterator[Found]:
    """``count`` nights in memory."""
    return (night(number, surface, batches, fresh_data, screening=screening) for number in range(count))


def false_confirmations(count: int, batches: int, fresh_data: bool, world: str, screening: int = 0) -> dict[str, Any]:
    """Null nights of one world: how many found a winner, now and by the rules of the first release."""
    found = list(nights(count, WORLDS[world], batches, fresh_data, screening))
    return {
        "world": world,
        "nights": count,
        "batches": batches,
        **({"screening_batches": screening} if screening else {}),
        "replicates": "all-new seeds" if fresh_data else "mock",
        "false_confirmed": bounded(sum(one.confirmed for one in found), count),
        "first_release": bounded(sum(one.first_release for one in found), count),
        "trials_a_night": round(sum(len(one.trials) for one in found) / count, 2),
        "error_spent": round(max(one.spent for one in found), 4),
    }


def power(count: int, batches: int, effect: float, world: str) -> dict[str, Any]:
    """Ridge nights of one world: of those with a truly better config on trial, how many confirmed it by when."""
    surface = WORLDS[world] | {"surface": "ridge", "effect": effect * TOTAL_SD}
    found = list(nights(count, surface, batches, fresh_data=False))
    tried = [one for one in found if any(better for better, *_ in one.trials)]
    return {
        "world": world,
        "effect_sd": effect,
        "nights": count,
        "batches": batches,
        "nights_with_it_on_trial": len(tried),
        "false_confirmed": bounded(sum(one.confirmed for one in found), count),
        "confirmed_within": {
            str(runs): bounded(sum(_within(one, runs) for one in tried), len(tried)) for runs in (4, 8, 12)
        },
        "first_try_within_8": bounded(sum(_first_try(one) for one in tried), len(tried)),
    }


def _within(found: Found, runs: int) -> bool:
    return any(better and confirmed and used <= runs for better, used, confirmed in found.trials)


def _first_try(found: Found) -> bool:
    """Whether the first truly better config on trial was confirmed within 8 runs."""
    first = next(trial for trial in found.trials if trial[0])
    return first[2] and first[1] <= 8


def coverage(count: int, world: str, earlier: bool = False) -> dict[str, Any]:
    """How often the 95 % interval holds the true difference (0), unpaired and paired, by runs and data seeds.

    ``earlier``: with the noise of an earlier night pooled in.
    """
    surface, rng = WORLDS[world], np.random.default_rng(7)
    kinds = {name: (counts, False) for name, counts in SEEDS.items()}
    kinds |= {f"{runs} paired": ([1] * runs, True) for runs in (3, 4, 6, 12)}
    cells = {name: [_covers(rng, *kind, surface, earlier) for _ in range(count)] for name, kind in kinds.items()}
    return {"world": world, "draws": count, "earlier_night": earlier} | {
        name: _coverage(held) for name, held in cells.items()
    }


def _coverage(held: Sequence[bool | None]) -> Any:
    told = [one for one in held if one is not None]
    return bounded(sum(told), len(told)) if told else "no interval"


def _covers(
    rng: np.random.Generator, counts: list[int], paired: bool, surface: dict[str, Any], earlier: bool
) -> bool | None:
    """Whether the interval of a config in a night in which nothing differs holds 0; None where there is none."""
    config, base, noise = _null_night(rng, counts, paired, surface)
    if earlier:
        noise = with_earlier(noise, _null_night(rng, [1] * 8, True, surface)[2])
    found = compare(config, base, noise, "connectivity_R2")
    return None if found.interval is None else found.interval[0] <= 0 <= found.interval[1]


def _null_night(
    rng: np.random.Generator, counts: list[int], paired: bool, surface: dict[str, Any]
) -> tuple[Cells, Cells, Noise]:
    """One config, the baseline, and the noise of both and six further configs; bad runs are left out."""
    data = {seed: rng.normal(0, surface["noise_data"]) for seed in range(12)}
    bad = {seed: _bad(rng, surface, "data_seed") for seed in range(12)}
    others = [_draw(rng, [1, 1, 1 + n % 3], 100 * n, surface, {}, {}) for n in range(1, 7)]
    base = _draw(rng, [1] * 12, 0, surface, data, bad)
    config = _draw(rng, counts, 0 if paired else 5000, surface, data, bad)
    return config, base, pool([base, config, *others], [base, config] if paired else [])


def _draw(
    rng: np.random.Generator,
    counts: list[int],
    first: int,
    surface: dict[str, Any],
    data: dict[int, float],
    bad: dict[int, bool],
) -> Cells:
    values: dict[int, tuple[float, ...]] = {}
    for seed, runs in enumerate(counts, first):
        level = data.get(seed, rng.normal(0, surface["noise_data"]))
        if bad.get(seed, _bad(rng, surface, "data_seed")):
            continue
        good = [level + rng.normal(0, surface["noise_training"]) for _ in range(runs) if not _bad(rng, surface, "run")]
        values |= {seed: tuple(good)} if good else {}
    return Cells(values)


def _bad(rng: np.random.Generator, surface: dict[str, Any], by: str) -> bool:
    return surface.get("bad_by") == by and bool(rng.random() < surface["bad_share"])


def bounded(count: int, of: int) -> dict[str, Any]:
    """A share in per cent with its one-sided 95 % bounds (Clopper and Pearson)."""
    found = share(count, of)
    if not of:
        return {"count": 0, "of": 0}
    return {
        "percent": round(100 * count / of, 1),
        "low": round(100 * found.low, 1),
        "high": round(100 * found.high, 1),
        "count": count,
        "of": of,
    }


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=400)
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), choices=list(WORLDS))
    parser.add_argument("--parts", nargs="+", default=["false", "long", "coverage", "power"], choices=PARTS)
    parser.add_argument("--draws", type=int, default=4000, help="draws a cell of the coverage table")
    parser.add_argument("--json", action="store_true", help="kept for symmetry: the last line is always JSON")
    arguments = parser.parse_args()
    rows: dict[str, list[dict[str, Any]]] = {part: [] for part in arguments.parts}
    began = time.perf_counter()
    for part in arguments.parts:
        for row in _rows(part, arguments.worlds, arguments.nights, arguments.draws):
            rows[part].append(row)
            print(f"{time.perf_counter() - began:.0f} s, {part}: {row}", flush=True)
    print(json.dumps(rows | {"seconds": round(time.perf_counter() - began)}))


def _rows(part: str, worlds: Sequence[str], count: int, draws: int) -> Iterator[dict[str, Any]]:
    for world in worlds:
        if part == "coverage":
            yield coverage(draws, world)
            yield coverage(draws, world, earlier=True)
        elif part == "power":
            yield from (power(count, 20, effect, world) for effect in EFFECTS)
        elif part == "long":
            yield false_confirmations(count, 40, False, world)
        elif part == "screening":
            yield false_confirmations(count, 13, False, world, screening=2)
        else:
            yield from (false_confirmations(count, 13, fresh, world) for fresh in (False, True))


if __name__ == "__main__":
    main()
