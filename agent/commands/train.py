"""`nightfly train`: one slot by hand through the same engine and worker as a night, then its metrics as a table."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from agent.commands.prepare import measured_threads
from agent.night.interrupt import Interrupt
from agent.people.display import line
from agent.people.progress import read_progress
from agent.people.slot_table import show
from agent.people.steps import Step, silently
from state.campaign import load_campaign
from state.config import SlotConfig
from state.errors import RunError
from state.files import read_yaml
from state.legacy import load_slot_config
from state.lock import DriverLock
from state.metrics import METRICS
from state.paths import SlotPaths
from state.records import SlotResult
from trainer.engines.contract import Ended, Job, collect
from trainer.engines.factory import find_gpus
from trainer.engines.local import WORKER, LocalEngine
from trainer.engines.processes import find_workers

RUN_ID = "by-hand"
NO_LIMIT_S = 30 * 24 * 3600.0


def train_by_hand(file: Path, out: Path, as_json: bool, step: Step = silently) -> int:
    """Train the config (or a campaign's defaults) in ``file`` into directory ``out``; returns the exit code.

    A training that was interrupted in ``out`` goes on from its checkpoint, one that failed begins anew; a finished one
    is never overwritten, and neither is an interrupted one of another config.
    """
    config = read_config(file)
    paths = SlotPaths(out)
    _make(out)
    lock = DriverLock(paths.lock)
    try:
        job = Job(RUN_ID, config.hash(), out.resolve(), NO_LIMIT_S)
        _refuse_overwriting(paths, job)
        # The rest of a training must be computed as its beginning was.
        threads = _earlier_threads(paths) or measured_threads(config, step)
        result = _run(replace(job, threads=threads), config)
    except KeyboardInterrupt:
        rest = "the same command goes on" if paths.checkpoint.exists() else "no checkpoint yet, so it would begin anew"
        _tell(f"{out}: interrupted; {rest}")
        raise
    finally:
        lock.release()
    if as_json:
        print(result.model_dump_json())
    else:
        _print(result, paths)
    return 0 if result.status == "done" else 3


def _make(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise RunError(f"{out}: is a file; give --out a directory")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"{out}: cannot be made ({error.strerror}); give --out a directory that can be written"
        ) from error


def _refuse_overwriting(paths: SlotPaths, job: Job) -> None:
    if paths.result.exists() and not _has_failed(paths):
        raise RunError(f"{paths.result}: a result is already there; give --out another directory")
    begun = paths.checkpoint.exists() or str(job.folder) in find_workers(WORKER[-1])
    if begun and _config_hash(paths) != job.config_hash:
        raise RunError(f"{paths.root}: holds an unfinished training of another config; give --out another directory")


def _has_failed(paths: SlotPaths) -> bool:
    try:
        return SlotResult.model_validate_json(paths.result.read_bytes()).status == "failed"
    except ValueError:
        return False


def _config_hash(paths: SlotPaths) -> str | None:
    """Hash of the config that an earlier command wrote into the folder."""
    return _earlier_job(paths).get("config_hash")


def _earlier_threads(paths: SlotPaths) -> int:
    """Threads of the unfinished training in the folder; 0 = none is begun."""
    found = _earlier_job(paths).get("threads") if paths.checkpoint.exists() else None
    return found if isinstance(found, int) and found > 0 else 0


def _earlier_job(paths: SlotPaths) -> dict[str, Any]:
    """What an earlier command wrote into the folder for its worker."""
    try:
        job = json.loads(paths.job.read_bytes())
    except (OSError, ValueError):
        return {}
    return job if isinstance(job, dict) else {}


def read_config(file: Path) -> SlotConfig:
    """A slot config, also one of the predecessor; of a campaign, its defaults. stderr tells what was translated."""
    if "explorable" in read_yaml(file):
        return load_campaign(file, _tell).base_config()
    config, notes = load_slot_config(file)
    for note in notes:
        _tell(note)
    return config


def _tell(note: str) -> None:
    print(f"nightfly: {note}", file=sys.stderr)


def _run(job: Job, config: SlotConfig) -> SlotResult:
    engine, interrupt = LocalEngine(places=1, threads=1, gpus=find_gpus()[:1]), Interrupt()
    try:
        with interrupt:
            # A worker of an earlier command may still be training in this folder.
            if not engine.reattach([job]):
                job.write(config.yaml())
                engine.submit([job])
            return collect(_wait(engine, job, interrupt))
    finally:
        engine.close()


def _wait(engine: LocalEngine, job: Job, interrupt: Interrupt) -> Ended:
    """Show progress until the slot ends: a live line in a terminal, else a line every ten seconds."""
    console, last = Console(stderr=True), 0.0
    with Live(console=console, transient=True) if console.is_terminal else _Quiet() as live:
        while True:
            for ended in engine.poll()[1]:
                return ended
            row = read_progress(SlotPaths(job.folder))
            if row is not None and isinstance(live, Live):
                live.update(line(row))
            elif row is not None and time.monotonic() - last > 10:
                last = time.monotonic()
                console.print(line(row), soft_wrap=True)
            with interrupt.welcome():
                time.sleep(0.2)


class _Quiet:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def _print(result: SlotResult, paths: SlotPaths) -> None:
    console = Console()
    if result.failure is not None:
        console.print(f"failed: {result.failure.kind}: {result.failure.message}; see {paths.stderr}", soft_wrap=True)
        return
    table = Table("metric", "value", "note")
    for name in METRICS:
        table.add_row(name, show(result.metrics.get(name)), result.missing.get(name, ""))
    console.print(table)
    console.print(f"{result.truth}; {result.stimulus}; {result.device}", soft_wrap=True)
    console.print(f"pictures: {paths.activity} {paths.embedding}", soft_wrap=True)
