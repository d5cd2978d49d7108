"""The list of runs in a directory: name, state, batches, best config. Knows no report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.report.page import template
from agent.report.story import read_story
from state.errors import NightflyError
from state.lock import is_held
from state.paths import RunPaths


@dataclass(frozen=True)
class RunLine:
    """One run of the list; ``fault`` says why nothing else is known."""

    name: str
    state: str = ""
    batches: int = 0
    runs: int = 0
    best: str = ""
    changed: str = ""
    badges: tuple[str, ...] = ()
    fault: str = ""


def list_runs(root: Path) -> list[RunLine]:
    """The runs directly below ``root``, the one that changed last first."""
    found = [_line(path) for path in sorted(root.iterdir()) if RunPaths(path).journal.is_file()]
    return sorted(found, key=lambda line: line.changed, reverse=True)


def _line(root: Path) -> RunLine:
    paths = RunPaths(root)
    try:
        ledger, story = read_story(paths)
    except NightflyError as error:
        return RunLine(root.name, fault=str(error))
    best = ledger.views.table.ranking(1) or ledger.views.table.by_connectivity(1)
    mean = best[0].spreads["connectivity_R2"].mean if best else None
    badges = ("surrogate",) * (ledger.campaign.trainer != "gnn") + ("dry run",) * bool(ledger.history.dry_run)
    return RunLine(
        name=root.name,
        state="running" if is_held(paths.lock) else f"not running ({ledger.history.stopped or 'the driver died'})",
        batches=max(ledger.history.committed, 0),
        runs=len(ledger.views.nodes),
        best="" if mean is None else f"{best[0].config_id}: connectivity_R2 {mean:.3f} over {len(best[0].runs)} runs",
        changed=story.last_time[:19].replace("T", " "),
        badges=badges,
    )


def render_listing(runs: list[RunLine]) -> str:
    """The page that `/` shows."""
    return template("runs.html.j2").render(runs=runs)
