"""`nightfly status`: what a run does now or how it ended, from its files alone."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from agent.display import show, slot_table
from agent.progress import slot_progress
from agent.views import Views
from state.blobs import BlobStore
from state.campaign import load_campaign
from state.errors import RunError
from state.history import History
from state.journal import read_records
from state.lock import is_held, read_holder
from state.paths import RunPaths
from ucb.variance import ConfigStats


def read_run(root: Path) -> tuple[RunPaths, History, Views]:
    """History and views of a run directory, read without the driver's lock."""
    paths = RunPaths(root)
    if not paths.journal.exists() or not paths.campaign.exists():
        raise RunError(f"{root}: holds no nightfly run (no journal.jsonl); give a directory such as runs/quickstart")
    history = History()
    views = Views(load_campaign(paths.campaign), history, BlobStore(paths.blobs))
    for record in read_records(paths.journal):
        history.apply(record)
        views.apply(record)
    return paths, history, views


def print_status(root: Path, as_json: bool) -> None:
    """Print the state of the run in ``root``."""
    paths, history, views = read_run(root)
    state = describe(paths, history, views)
    if as_json:
        print(json.dumps(state))
        return
    console = Console()
    console.print(f"{state['campaign']} ({root}): {state['state']}", soft_wrap=True, highlight=False)
    console.print(
        f"{state['committed']} batches committed, {state['finished']} iterations finished, {state['failed']} failed",
        highlight=False,
    )
    rows = [slot_progress(paths, it) for it in history.batch(history.planned)]
    if rows and history.planned > history.committed:
        console.print(slot_table(rows))
    for best in state["best"]:
        console.print(
            f"{best['config_id']}: {best['runs']} runs, conn {show(best['connectivity_R2'])}, "
            f"V_rest {show(best['V_rest_R2'])}, tau {show(best['tau_R2'])}, {best['robust']}",
            highlight=False,
        )


def describe(paths: RunPaths, history: History, views: Views) -> dict[str, Any]:
    """The state of a run as plain data."""
    done = [it for it in history.iterations.values() if it.result is not None]
    driver = read_holder(paths.lock) if is_held(paths.lock) else None
    rows = [slot_progress(paths, it) for it in history.batch(history.planned)]
    return {
        "campaign": views.campaign.name,
        "dry_run": history.dry_run,
        "state": _state(history, driver),
        "driver": driver,
        "batch": history.planned,
        "committed": max(history.committed, 0),
        "finished": len(done),
        "failed": sum(it.result is not None and it.result.failure is not None for it in done),
        "slots": [asdict(row) for row in rows],
        "best": [_config(stats) for stats in views.table.top(3)],
    }


def _state(history: History, driver: dict[str, object] | None) -> str:
    if driver is None:
        return f"not running ({history.stopped or 'the driver died; run it again to go on'})"
    where = f"pid {driver.get('pid')} on {driver.get('host')}"
    if history.committed < 0:
        return f"asking for the first proposals ({where})"
    if history.planned == history.committed:
        return f"planning batch {history.planned + 1} ({where})"
    doing = "training" if history.unfinished() else "asking about"
    return f"{doing} batch {history.planned} ({where})"


def _config(stats: ConfigStats) -> dict[str, Any]:
    means = {name: spread.mean for name, spread in stats.spreads.items()}
    return {"config_id": stats.config_id, "runs": len(stats.runs), "robust": stats.robustness, **means}
