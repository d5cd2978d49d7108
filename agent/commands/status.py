"""`nightfly status`: what a run does now or how it ended, from its files alone."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agent.ledger.budget import budget_left
from agent.ledger.ledger import Ledger
from agent.ledger.open_run import open_run
from agent.ledger.spending import Spending, cache_words
from agent.ledger.standing import no_use, verdict_lines
from agent.night.user_input import pending
from agent.people.display import show, slot_table
from agent.people.progress import slot_progress
from state.history import History
from state.lock import is_held, read_holder
from state.metrics import Metric, main
from state.paths import RunPaths
from ucb.variance import ConfigStats

WATCH_S = 2.0


def read_run(root: Path) -> tuple[RunPaths, Ledger]:
    """The state of a run directory, read without the driver's lock."""
    run = open_run(root)
    return run.paths, run.ledger()


def print_status(root: Path, as_json: bool, watch: bool = False) -> None:
    """Print the state of the run in ``root``; with ``watch`` again and again until its driver has ended."""
    if as_json:
        print(json.dumps(describe(*read_run(root))))
        return
    console = Console()
    if not watch:
        console.print(_picture(root)[0], soft_wrap=True)
        return
    with Live(console=console, refresh_per_second=2) as live:
        working = True
        while working:
            picture, working = _picture(root)
            live.update(picture, refresh=True)
            time.sleep(WATCH_S if working else 0)


def _picture(root: Path) -> tuple[Group, bool]:
    """What is shown, and whether a driver is at work."""
    paths, ledger = read_run(root)
    state, history = describe(paths, ledger), ledger.history
    lines = [
        f"{state['campaign']} ({root}): {state['state']}",
        f"{state['committed']} batches committed, {state['finished']} iterations finished, {state['failed']} failed",
        f"used: {state['spent']}; left: {state['left']}",
    ]
    lines += [f"CLAUDE IS OF NO USE: {state['no_use']}"] if state["no_use"] else []
    lines += [f"asked: {history.asked}"] if history.asked and state["driver"] else []
    lines += [f"waits for Claude: {state['pending_input'][:200]!r}"] if state["pending_input"] else []
    parts: list[Text | Table] = [Text("\n".join(lines))]
    rows = [slot_progress(paths, it) for it in history.batch(history.planned)]
    if rows and history.planned > history.committed:
        parts.append(slot_table(rows))
    ends = list(state["verdict"]) if state["finished"] else []
    ends += [
        f"leading, {best['config_id']}: {best['runs']} runs, "
        + "".join(f"{row.short} {show(best[row.name])}, " for row in _shown(ledger))
        + str(best["robust"])
        for best in state["best"]
    ]
    ends += [f"iteration {last['iteration']}: {last['verdict']}, {last['reason']}" for last in state["verdicts"]]
    return Group(*parts, Text("\n".join(ends))), state["driver"] is not None


def _shown(ledger: Ledger) -> list[Metric]:
    return [row for row in main(ledger.campaign.format) if row.heading]


def describe(paths: RunPaths, ledger: Ledger) -> dict[str, Any]:
    """The state of a run as plain data."""
    history, spending = ledger.history, ledger.spending
    done = [it for it in history.iterations.values() if it.result is not None]
    driver = read_holder(paths.lock) if is_held(paths.lock) else None
    rows = [slot_progress(paths, it) for it in history.batch(history.planned)]
    return {
        "campaign": ledger.campaign.name,
        "dry_run": history.dry_run,
        "explorer": history.explorer,
        "state": _state(history, driver),
        "driver": driver,
        "batch": history.planned,
        "committed": max(history.committed, 0),
        "finished": len(done),
        "failed": sum(it.result is not None and it.result.failure is not None for it in done),
        "slots": [asdict(row) for row in rows],
        "no_use": no_use(history),
        "verdict": verdict_lines(ledger.views),
        # A single lucky run does not lead.
        "best": [_config(stats) for stats in ledger.views.table.leading(3)],
        "verdicts": _verdicts(history),
        "spent": _spent(spending),
        "dollars": None if spending.unpriced else spending.dollars,
        "tokens": spending.tokens,
        "tokens_cached": spending.cached,
        "dollars_saved": spending.saved,
        "gpu_hours": spending.gpu_hours,
        "left": budget_left(ledger),
        "pending_input": pending(paths.user_input),
    }


def _verdicts(history: History) -> list[dict[str, Any]]:
    """What was said last about each slot of the last committed batch."""
    entries = [it.entry for it in history.batch(history.committed) if it.entry is not None]
    return [{"iteration": e["iteration"], "verdict": e["verdict"], "reason": e["verdict_reason"]} for e in entries]


def _spent(spending: Spending) -> str:
    cached = cache_words(spending.cached, spending.saved)
    unknown = f" and {spending.unpriced} replies of unknown cost" if spending.unpriced else ""
    return f"${spending.dollars:.2f}{unknown}, {spending.tokens:,} tokens{cached}, {spending.gpu_hours:.2f} slot hours"


def _state(history: History, driver: dict[str, object] | None) -> str:
    if driver is None:
        return f"not running ({history.stopped or 'the driver died; run it again to go on'})"
    where = f"pid {driver.get('pid')} on {driver.get('host')}"
    if history.committed < 0 and not history.awaited:
        return f"asking for the first proposals ({where})"
    if history.planned == history.committed and not history.awaited:
        return f"planning batch {history.planned + 1} ({where})"
    if history.awaited:
        return f"waiting for Claude until {history.awaited} ({where})"
    doing = "training" if history.unfinished() else "asking about"
    return f"{doing} batch {history.planned} ({where})"


def _config(stats: ConfigStats) -> dict[str, Any]:
    means = {name: spread.mean for name, spread in stats.spreads.items()}
    return {"config_id": stats.config_id, "runs": len(stats.runs), "robust": stats.robustness, **means}
