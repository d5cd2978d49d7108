"""What dispatch costs, engine by engine: a batch of four workers that do nothing, and many pretend slots at once.

    bash tests/trainer/engines/with_services.sh python -m benchmarks.engines --json
    python -m benchmarks.engines --kinds local --json                  # without services

Workers are shell scripts that put a prepared result in its place, so that all time is the engine's, the scheduler's and
the shell's. A batch is timed from `submit` to the last end; the driver's own processor time is counted apart. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from state.engine import EngineConfig
from state.metrics import METRICS
from state.records import SlotResult
from trainer.engines.contract import Dispatcher, Job, collect
from trainer.engines.factory import make_queued
from trainer.engines.local import LocalEngine
from trainer.engines.queued import QueuedEngine
from trainer.engines.scheduler import Scheduler, Seen, Ticket

WORKER = 'echo x >>"$1/runs" && mv "$1/good.json" "$1/result.json"\n'
POLL_S = 0.02
PATIENCE_S = 3600.0


@dataclass
class Counting:
    """A scheduler that counts what is asked of it."""

    inner: Scheduler
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def label(self) -> str:
        """As the scheduler's own."""
        return self.inner.label

    def probe(self, time_limit_s: float) -> str:
        """Pass on."""
        return self.inner.probe(time_limit_s)

    def submit(self, ticket: Ticket) -> None:
        """Count and pass on."""
        self.asked["submit"] += 1
        self.inner.submit(ticket)

    def jobs(self) -> dict[str, Seen]:
        """Count and pass on."""
        self.asked["list"] += 1
        return self.inner.jobs()

    def cancel(self, names: list[str]) -> None:
        """Count and pass on."""
        self.asked["cancel"] += 1
        self.inner.cancel(names)


def build(kind: str, worker: Path, at_once: int | None) -> Dispatcher:
    """An engine of ``kind`` at its default intervals."""
    command = ("/bin/sh", str(worker))
    if kind == "local":
        return LocalEngine(places=at_once or 2, threads=1, worker=command)
    settings: dict[str, Any] = {"kind": kind, "slots_at_once": at_once}
    # The benchmark's workers want no GPU; places of the test cluster are its cores.
    settings[kind] = {"slurm": {"gres": None}, "ray": {"num_gpus": 0, "num_cpus": 1}}[kind]
    if kind == "ray":
        settings[kind]["address"] = os.environ["NIGHTFLY_TEST_RAY"]
    engine = make_queued(EngineConfig.model_validate(settings), command)
    engine.scheduler = Counting(engine.scheduler)
    return engine


def prepare(folder: Path, count: int) -> list[Job]:
    """``count`` jobs whose results lie ready beside them."""
    jobs = []
    for number in range(count):
        job = Job(f"b.{number:04d}.a1", "h", folder / f"{number:04d}", 1000)
        job.folder.mkdir(parents=True)
        result = SlotResult(run_id=job.run_id, config_hash="h", status="done", metrics=dict.fromkeys(METRICS, 0.5))
        (job.folder / "good.json").write_text(result.model_dump_json())
        jobs.append(job)
    return jobs


def run(engine: Dispatcher, jobs: list[Job]) -> dict[str, Any]:
    """Run ``jobs`` to their ends; how long it took, and whether each ran once and was told of once."""
    wall, cpu = time.perf_counter(), time.process_time()
    engine.submit(jobs)
    ends: Counter[str] = Counter()
    good = 0
    while sum(ends.values()) < len(jobs) and time.perf_counter() - wall < PATIENCE_S:
        for ended in engine.poll()[1]:
            ends[ended.job.run_id] += 1
            good += collect(ended).status == "done"
        time.sleep(POLL_S)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    runs = [len((job.folder / "runs").read_text().split()) if (job.folder / "runs").exists() else 0 for job in jobs]
    asked = dict(engine.scheduler.asked) if isinstance(engine, QueuedEngine) else {}  # type: ignore[attr-defined]
    return {
        "wall_s": round(wall, 2),
        "driver_cpu_s": round(cpu, 3),
        "done": good,
        "not_once": sum(count != 1 for count in runs) + sum(count != 1 for count in ends.values()),
        "asked": asked,
    }


def measure(kind: str, folder: Path, batches: int, many: int, at_once: int | None) -> dict[str, Any]:
    """Batches of four one after the other, then ``many`` at once."""
    worker = folder / "worker.sh"
    worker.write_text(WORKER)
    rows = []
    for number in range(batches):
        engine = build(kind, worker, None)
        rows.append(run(engine, prepare(folder / f"{kind}-{number}", 4)))
        engine.close()
    found: dict[str, Any] = {
        "engine": kind,
        "batch_of_4_s": statistics.median(row["wall_s"] for row in rows),
        "batch_of_4_s_all": [row["wall_s"] for row in rows],
        "batch_cpu_ms": round(1000 * statistics.median(row["driver_cpu_s"] for row in rows), 1),
        "batch_wrong": sum(row["not_once"] + 4 - row["done"] for row in rows),
    }
    if many:
        engine = build(kind, worker, at_once)
        found[f"many_{many}"] = run(engine, prepare(folder / f"{kind}-many", many))
        engine.close()
    return found


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    there = [kind for kind in ("slurm", "ray") if os.environ.get(f"NIGHTFLY_TEST_{kind.upper()}")]
    parser.add_argument("--kinds", nargs="+", default=["local", *there])
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--many", type=int, default=1000, help="pretend slots at once; 0 leaves them out")
    parser.add_argument("--at-once", type=int, default=None, help="slots at the scheduler at once; default: all")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        # Workers of a cluster may be of another user.
        os.chmod(folder, 0o755)
        for kind in options.kinds:
            rows.append(measure(kind, Path(folder), options.batches, options.many, options.at_once))
            print(rows[-1], flush=True)
    if options.json:
        print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
