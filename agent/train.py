"""`nightfly train`: one slot by hand through the same engine and worker as a night, then its metrics as a table."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from agent.display import line, show
from agent.progress import read_progress
from state.campaign import load_campaign
from state.config import SlotConfig
from state.errors import RunError
from state.files import dump_yaml, read_yaml
from state.legacy import load_slot_config
from state.paths import SlotPaths
from state.records import METRICS, SlotResult
from trainer.dispatch import Ended, Job, collect
from trainer.engines.factory import find_gpus, usable_cores
from trainer.engines.local import LocalEngine

RUN_ID = "by-hand"
NO_LIMIT_S = 30 * 24 * 3600.0


def train_by_hand(file: Path, out: Path, as_json: bool) -> int:
    """Train the config (or a campaign's defaults) in ``file`` into directory ``out``; returns the exit code."""
    config = read_config(file)
    if out.exists() and not out.is_dir():
        raise RunError(f"{out}: is a file; give --out a directory")
    if SlotPaths(out).result.exists():
        raise RunError(f"{SlotPaths(out).result}: a result is already there; give --out another directory")
    job = Job(RUN_ID, config.hash(), out.resolve(), NO_LIMIT_S)
    job.write(dump_yaml(config.model_dump()))
    result = _run(job)
    if as_json:
        print(result.model_dump_json())
    else:
        _print(result, SlotPaths(out))
    return 0 if result.status == "done" else 3


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


def _run(job: Job) -> SlotResult:
    engine = LocalEngine(places=1, threads=usable_cores(), gpus=find_gpus()[:1])
    try:
        engine.submit([job])
        return collect(_wait(engine, job))
    finally:
        engine.close()


def _wait(engine: LocalEngine, job: Job) -> Ended:
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
        table.add_row(name, show(result.metrics[name]), result.missing.get(name, ""))
    console.print(table)
    console.print(f"{result.truth}; {result.stimulus}; {result.device}", soft_wrap=True)
    console.print(f"pictures: {paths.activity} {paths.embedding}", soft_wrap=True)
