"""Hostile replies against guard, fallback and plan: whatever is replied, the next batch is one to stand for.

    nice -n 10 python -m benchmarks.guard_fuzz --n 1000000 --json

Every reply goes the driver's own road: read_reply, accepted_data, planned_data. `benchmarks.arena` holds the promises,
`benchmarks.hostile` makes the replies.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

from benchmarks.arena import Tally, arenas


def run(n: int, seed: int, folder: Path) -> Tally:
    """``n`` replies, spread over the arenas; reply k follows from ``seed`` and k alone."""
    tally, places = Tally(), arenas(folder)
    before = _files(folder)
    for number in range(n):
        arena, rng = places[number % len(places)], random.Random(f"{seed}:{number}")
        text = arena.hostile.reply(rng)
        try:
            arena.try_one(text, tally)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding to be reported with its number
            tally.broken.append(f"reply {number}: {type(error).__name__}: {error}"[:500])
    if _files(folder) != before:
        tally.broken.append("files of the runs changed")
    return tally


def _files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def main() -> None:
    """Print the tally; exit code 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        tally = run(options.n, options.seed, Path(folder))
        seconds = time.perf_counter() - began
    told = {
        "replies": options.n,
        "seconds": round(seconds, 1),
        "replies_per_second": round(options.n / seconds),
        "readable": tally.readable,
        "without_violation": tally.untouched,
        "slots_as_proposed": tally.accepted_slots,
        "violations": dict(tally.codes.most_common()),
        "broken": tally.broken[:20],
    }
    print(json.dumps(told) if options.json else "\n".join(f"{key}: {value}" for key, value in told.items()))
    raise SystemExit(bool(tally.broken))


if __name__ == "__main__":
    main()
