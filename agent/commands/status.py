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
from agent.ledger.gains import gain_lines
from agent.ledger.ledger import Ledger
from agent.ledger.open_run import open_run
from agent.ledger.spending import Spending, cache_words
from agent.ledger.standard import standard_lines
from agent.ledger.standing import no_use, verdict_lines
from agent.ledger.waiting import waiting_data, waiting_words
from agent.night.user_input import pending
from agent.people.display import held_back
from agent.people.progress import in_hand
from agent.people.slot_table import show, slot_table
from state.history import History
from state.lock import is_held, read_holder
from state.metrics import Metric, main
from state.paths import RunPaths
from ucb.variance import ConfigStats

WATCH_S = 2.0
BEGIN_S = 0.5


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
        # A pipe gets whole lines; a terminal would break them within words.
        console.print(_picture(root, console)[0], soft_wrap=not console.is_terminal)
        return
    with Live(console=console, refresh_per_second=2) as live:
        while not _begun(root):
            live.update(Text(f"{root}: no run yet; waiting for one to begin (Ctrl-C to leave)"), refresh=True)
            time.sleep(BEGIN_S)
        working = True
        while working:
            picture, working = _picture(root, console)
            live.update(picture, refresh=True)
            time.sleep(WATCH_S if working else 0)


def _begun(root: Path) -> bool:
    """Whether there is something to show: a run, or whatever else `open_run` then refuses to show."""
    paths = RunPaths(root)
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    return not is_held(paths.lock) or (paths.journal.exists() and paths.journal.stat().st_size > 0)


def _picture(root: Path, console: Console) -> tuple[Group, bool]:
    """What is shown, and whether a driver is at work."""
    paths, ledger = read_run(root)
    state, history = describe(paths, ledger), ledger.history
    lines = [
        f"{state['campaign']} ({root}): {state['state']}",
        f"{state['committed']} batches committed, {state['finished']} iterations finished, {state['failed']} failed"
        + (f", {state['cut']} cut" if state["cut"] else ""),
        f"used: {state['spent']}; left: {state['left']}",
    ]
    if imported := state["imported"]:
        lines.append(
            f"imported, unverified: {imported['nodes']} nodes of {imported['log']}, {imported['parents']} with a known "
            f"config; in none of the figures here{', they help to choose' if imported.get('use_metrics') else ''}"
        )
    lines += [words] if (words := waiting_words(ledger.waiting)) else []
    lines += [f"CLAUDE IS OF NO USE: {state['no_use']}"] if state["no_use"] else []
    lines += [state["held_back"]] if state["held_back"] else []
    lines += [f"waits for Claude: {state['pending_input'][:200]!r}"] if state["pending_input"] else []
    parts: list[Text | Table] = [Text("\n".join(lines))]
    rows = in_hand(paths, history)
    if rows and (history.planned > history.committed or history.ahead):
        parts.append(slot_table(rows, console))
    ends = list(state["verdict"]) if state["finished"] else []
    ends += [*state["standard"], *state["control"]]
    ends += [state["times"]] if state["times"] else []
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
    return {
        "campaign": ledger.campaign.name,
        "dry_run": history.dry_run,
        "explorer": history.explorer,
        "hints": history.hints,
        "state": _state(history, driver),
        "driver": driver,
        "held_back": held_back(history, paths.root) if driver else "",
        "batch": history.planned,
        "committed": max(history.committed, 0),
        "finished": len(done),
        "failed": sum(it.result is not None and it.result.failed for it in done),
        "cut": sum(it.result is not None and it.result.cut for it in done),
        "slots": [asdict(row) for row in in_hand(paths, history)],
        "imported": _imported(ledger),
        "no_use": no_use(history),
        "verdict": verdict_lines(ledger.views),
        "standard": standard_lines(ledger.views),
        "control": gain_lines(ledger),
        "times": _times(ledger),
        # A single lucky run does not lead.
        "best": [_config(stats) for stats in ledger.views.table.leading(3)],
        "verdicts": _verdicts(history),
        "spent": _spent(spending),
        "dollars": None if spending.unpriced else spending.dollars,
        "tokens": spending.tokens,
        "tokens_cached": spending.cached,
        "dollars_saved": spending.saved,
        "gpu_hours": spending.gpu_hours,
        "waiting": waiting_data(ledger.waiting),
        "left": budget_left(ledger),
        "pending_input": pending(paths.user_input),
    }


def _imported(ledger: Ledger) -> dict[str, Any] | None:
    """What the run began with of a predecessor's log; None where nothing was imported."""
    history = ledger.history
    if not history.imported:
        return None
    known = sum(node["departures"] is not None for node in history.imported.values())
    told = {"log": history.imported_from, "nodes": len(history.imported), "parents": known}
    return told | ({"use_metrics": True} if ledger.views.stated.used else {})


def _verdicts(history: History) -> list[dict[str, Any]]:
    """What was said last about each slot of the last committed batch."""
    entries = [it.entry for it in history.batch(history.committed) if it.entry is not None]
    return [{"iteration": e["iteration"], "verdict": e["verdict"], "reason": e["verdict_reason"]} for e in entries]


def _times(ledger: Ledger) -> str:
    """What a run of the defaults takes, and the load of the machine in the newest batch; '' before any has finished."""
    times, batch = ledger.views.times, ledger.history.planned
    minutes, load = times.predict(ledger.campaign.base_config()), times.load(batch)
    if minutes is None:
        return ""
    loaded = "" if load is None else f"; batch {batch} took {load:.1f} times as long as equal work before"
    return f"a run of the defaults takes {minutes:.1f} min, the load of the machine left out{loaded}"


def _spent(spending: Spending) -> str:
    cached = cache_words(spending.cached, spending.saved)
    unknown = f" and {spending.unpriced} replies of unknown cost" if spending.unpriced else ""
    return f"${spending.dollars:.2f}{unknown}, {spending.tokens:,} tokens{cached}, {spending.gpu_hours:.2f} slot hours"


def _state(history: History, driver: dict[str, object] | None) -> str:
    if driver is None and history.imported and not history.planned:
        return "not begun"
    if driver is None:
        return f"not running ({history.stopped or 'the driver died; run it again to go on'})"
    where = f"pid {driver.get('pid')} on {driver.get('host')}"
    if history.committed < 0 and not history.awaited:
        return f"asking for the first proposals ({where})"
    if history.planned == history.committed and history.asked == "pause":
        return f"paused after batch {history.committed} ({where})"
    if history.planned == history.committed and not history.awaited:
        return f"planning batch {history.planned + 1} ({where})"
    if history.awaited:
        return f"waiting for Claude until {history.awaited} ({where})"
    doing = "training" if history.unfinished() else "asking about"
    return f"{doing} batch {history.planned} ({where})"


def _config(stats: ConfigStats) -> dict[str, Any]:
    means = {name: spread.mean for name, spread in stats.spreads.items()}
    return {"config_id": stats.config_id, "runs": len(stats.runs), "robust": stats.robustness, **means}
