"""Which explorer finds more? `python -m benchmarks.explorers --out DIR [--nights 32] [--batches 9 25] [--jobs 2]`.

Benches (`nightfly bench`) of rules, tpe and random on the surrogate: three surfaces at three levels of noise, short and
long nights. Each goes on where it was stopped. At the end one markdown row a bench and explorer. A long night is the
continuation of the short one, so its first batches are not run twice.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.bench.command import bench, with_interval
from agent.bench.layout import BenchPaths
from state.files import dump_yaml, read_yaml, write_atomic

CAMPAIGN = Path(__file__).resolve().parents[1] / "campaigns" / "surrogate.yaml"
SURFACES: dict[str, dict[str, Any]] = {
    "peak": {"surface": "peak"},
    "ridge": {"surface": "ridge", "effect": 0.1},
    "flat": {"surface": "flat"},
}
NOISES: dict[str, dict[str, Any]] = {
    "half": {"noise_data": 0.0075, "noise_training": 0.005},
    "usual": {"noise_data": 0.015, "noise_training": 0.01},
    "double": {"noise_data": 0.03, "noise_training": 0.02},
}


def rows(world: str, batches: int, data: dict[str, Any]) -> Iterator[str]:
    """One markdown row an explorer: its pick, the best it ran, and its difference to the first explorer."""
    first = next(iter(data["arms"]))
    paired = {pair["b"]: pair for pair in data["pairs"] if pair["a"] == first}
    for name, arm in data["arms"].items():
        pick, best = with_interval(arm["by_slots"][-1]), arm["best_tried"]
        pair = paired.get(name)
        told = f"{with_interval(pair, sign=True)}, p = {pair['p']:.2g}" if pair else ""
        yield f"| {world} | {batches} | {name} | {pick} | {best:.3f} | {told} | {100 * arm['refused']:.1f} % |"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--surfaces", nargs="+", choices=SURFACES, default=list(SURFACES))
    parser.add_argument("--noises", nargs="+", choices=NOISES, default=list(NOISES))
    parser.add_argument("--explorers", default="rules,tpe,random")
    parser.add_argument("--nights", type=int, default=32)
    parser.add_argument("--batches", type=int, nargs="+", default=[9, 25])
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    table = ["| world | batches | explorer | pick | best that ran | first - it | refused |", "|---" * 7 + "|"]
    for surface in given.surfaces:
        for noise in given.noises:
            world = {"surrogate": SURFACES[surface] | NOISES[noise]}
            file, out = given.out / f"{surface}_{noise}.yaml", given.out / f"{surface}_{noise}"
            given.out.mkdir(parents=True, exist_ok=True)
            write_atomic(file, dump_yaml(read_yaml(CAMPAIGN) | world))
            for batches in sorted(given.batches):
                if bench(file, given.explorers, given.nights, batches, given.jobs, out, 1, False):
                    raise SystemExit(f"{out}: not finished; the same command goes on with it")
                data = json.loads(BenchPaths(out).results.read_text())
                table += rows(f"{surface}, {noise} noise", batches, data)
    print("\n".join(table))


if __name__ == "__main__":
    main()
