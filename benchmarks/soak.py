"""Kills a night at random moments, again and again, and compares its files with those of an undisturbed one.

`python -m benchmarks.soak --kills 200`. The driver is a real process on the surrogate, forked from one that has the
program imported; SIGKILL goes to it and to all it has started, up to 0.6 s after the first record of each start. The
last line is one JSON object. With `--http` the real client asks a service on loopback (`benchmarks.paid_service`), and
its books must show no reply that was paid, delivered and asked again.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.replay.whole_run import replay_run
from benchmarks.drivers import Driver, Drivers
from benchmarks.paid_service import PaidService
from state.files import dump_yaml, read_yaml
from state.journal import read_records
from state.paths import RunPaths

CAMPAIGN = Path(__file__).resolve().parents[1] / "campaigns" / "surrogate.yaml"
DERIVED = ("analysis.md", "memory.md", "ucb_scores.txt", "configs", "snapshots")


def contents(root: Path) -> dict[str, bytes]:
    """Every derived file of a run but the picture."""
    found = [p for name in DERIVED for p in ([root / name] if (root / name).is_file() else (root / name).rglob("*"))]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


@dataclass(frozen=True)
class Soaked:
    """What all nights of a soak share."""

    campaign: Path
    batches: int
    drivers: Drivers
    service: PaidService | None

    def start(self, runs: Path) -> Driver:
        """A driver of the run in ``runs``; where there is a service, one that asks it."""
        command = ["run", str(self.campaign), "--runs-dir", str(runs), "--batches", str(self.batches)]
        if self.service is None:
            return self.drivers.start([*command, "--dry-run"], {})
        self.service.root = runs / "surrogate"
        asks = {"ANTHROPIC_BASE_URL": self.service.url, "ANTHROPIC_API_KEY": "sk-soak", "NO_PROXY": "127.0.0.1"}
        return self.drivers.start(command, asks)


def kill_once(soaked: Soaked, runs: Path, rng: random.Random) -> bool:
    """Start a driver and kill it somewhere at work; False when it had finished before."""
    journal, service = RunPaths(runs / "surrogate").journal, soaked.service
    records, payments = _records(journal), len(service.payments) if service is not None else 0
    driver = soaked.start(runs)
    # With a real client the first record is followed by a look at the service: work begins with the second.
    begun = records + (1 if service is None else 2)
    while driver.is_alive() and _records(journal) < begun:
        if service is not None and len(service.payments) > payments:
            break
        time.sleep(0.005)
    time.sleep(rng.random() * 0.6)
    if not driver.is_alive():
        return False
    if service is not None:
        service.kills.append(time.monotonic())
    driver.kill()
    return True


def _records(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def is_over(root: Path, batches: int) -> bool:
    """Whether all batches are committed: a kill would then hit nothing at work."""
    journal = RunPaths(root).journal
    records = read_records(journal) if journal.exists() else iter(())
    return any(record.type == "batch_committed" and record.batch == batches for record in records)


def doubled(root: Path) -> list[str]:
    """What was bought or trained twice: replies for one prompt, results for one iteration."""
    seen: dict[tuple[str, Any], int] = {}
    for record in read_records(RunPaths(root).journal):
        if record.type in ("slot_finished", "slot_failed"):
            key: tuple[str, Any] = ("result", record.data["iteration"])
        elif record.type in ("batch_planned", "batch_committed", "reply_accepted"):
            key = (record.type, record.batch)
        else:
            continue
        seen[key] = seen.get(key, 0) + 1
    return [f"{kind} {what} {count} times" for (kind, what), count in seen.items() if count > 1]


def soak(kills: int, batches: int, seed: int, folder: Path, service: PaidService | None = None) -> dict[str, Any]:
    """Kill ``kills`` times within nights of ``batches`` batches, as many nights as it takes."""
    tree, rng = read_yaml(CAMPAIGN), random.Random(seed)
    campaign = folder / "campaign.yaml"
    campaign.write_text(dump_yaml(tree))
    soaked = Soaked(campaign, batches, Drivers(), service)
    soaked.start(folder / "whole").wait()
    want = contents(folder / "whole" / "surrogate")
    done = nights = 0
    faults: list[str] = []
    while done < kills:
        nights += 1
        runs = folder / f"night{nights}"
        root = runs / "surrogate"
        while done < kills and not is_over(root, batches) and kill_once(soaked, runs, rng):
            done += 1
        soaked.start(runs).wait()
        different = [name for name, data in contents(root).items() if want.get(name) != data]
        faults += [f"night {nights}: {name} differs" for name in different] + doubled(root)
        faults += [] if replay_run(root).passed else [f"night {nights}: replay fails"]
        print(f"night {nights}: {done} kills so far, {len(faults)} faults", flush=True)
    told: dict[str, Any] = {"kills": done, "nights": nights, "batches_per_night": batches}
    if service is not None:
        books = service.books()
        faults += books.pop("paid_twice")
        told |= books
    return told | {"faults": faults}


def main() -> None:
    """Soak and print; exit code 1 when anything was lost, doubled or different."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--http", action="store_true", help="the real client and a service that counts what was paid")
    arguments = parser.parse_args()
    service = PaidService() if arguments.http else None
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nightfly-soak-") as folder:
        result = soak(arguments.kills, arguments.batches, arguments.seed, Path(folder), service)
    result["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(result))
    sys.exit(1 if result["faults"] else 0)


if __name__ == "__main__":
    main()
