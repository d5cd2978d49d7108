"""The loop's own cost per batch as a run grows: time, memory, prompt size. `python -m benchmarks.loop --json`.

One night on the surrogate with the mocked Claude, journal and files on disk as in a real night; the tree picture, which
a real night draws at most every ten seconds, is drawn at the end. A window of batches is timed at each size.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from agent.claude.mock import MockLLM
from agent.night.loop import run_batch, start
from agent.night.night import Night, open_night
from agent.replay.whole_run import replay_run
from trainer.engines.inline import InlineEngine

CAMPAIGN = Path(__file__).resolve().parents[1] / "campaigns" / "surrogate.yaml"
SIZES = (10, 100, 1000, 10_000)
WINDOW = 50


def measure(sizes: list[int], root: Path) -> list[dict[str, Any]]:
    """Figures at each size, in order; the run in ``root`` holds the largest one at the end."""
    night = open_night(CAMPAIGN, root, dry_run=True)
    night.derived.draw = lambda: None  # type: ignore[method-assign]
    rows: list[dict[str, Any]] = []
    try:
        start(night, MockLLM())
        marks = {0: (time.perf_counter(), time.process_time())}
        for batch in range(1, max(sizes) + 1):
            run_batch(night, MockLLM(), InlineEngine(), lambda *_: None)
            marks[batch] = (time.perf_counter(), time.process_time())
            if batch in sizes:
                rows.append(_row(night, batch, marks))
                print(rows[-1], flush=True)
    finally:
        night.close()
    return rows


def _row(night: Night, batch: int, marks: dict[int, tuple[float, float]]) -> dict[str, Any]:
    window = min(WINDOW, batch)
    wall, cpu = (marks[batch][n] - marks[batch - window][n] for n in (0, 1))
    prompt = night.blobs.text(night.history.exchanges[0].prompt["text"])
    return {
        "batches": batch,
        "loop_ms_per_batch": round(1000 * wall / window, 2),
        "cpu_ms_per_batch": round(1000 * cpu / window, 2),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "prompt_characters": len(prompt),
        "journal_mb": round(night.paths.journal.stat().st_size / 1e6, 2),
    }


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--json", action="store_true", help="kept for symmetry: the last line is always JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nightfly-loop-") as folder:
        root = Path(folder) / "run"
        rows = measure(arguments.sizes, root)
        began = time.perf_counter()
        night = open_night(CAMPAIGN, root, dry_run=True)
        night.close()
        reopened = time.perf_counter() - began
        began = time.perf_counter()
        outcome = replay_run(root)
        replayed = time.perf_counter() - began
    print(
        json.dumps(
            {
                "loop_ms_per_batch": {str(row["batches"]): row["loop_ms_per_batch"] for row in rows},
                "sizes": rows,
                "reopen_s": round(reopened, 2),
                "replay_passed": outcome.passed,
                "replay_batches_per_s": round(len(outcome.batches) / replayed, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
