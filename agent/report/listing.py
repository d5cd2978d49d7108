"""The list of runs: a line each with name, state, batches, best config."""

from __future__ import annotations

from dataclasses import dataclass, replace

from markupsafe import Markup

from agent.ledger.ledger import Ledger
from agent.report.page import FOLDER, badges, content_policy, template
from agent.report.story import read_story
from state.errors import NightflyError
from state.lock import is_held
from state.metrics import REWARD
from state.paths import RunPaths
from ucb.variance import ConfigStats


@dataclass(frozen=True)
class RunLine:
    """One run of the list; ``fault`` says why nothing else is known."""

    name: str
    state: str = ""
    stopped: str = ""
    batches: int = 0
    runs: int = 0
    best: str = ""
    changed: str = ""
    badges: tuple[str, ...] = ()
    fault: str = ""


def run_line(paths: RunPaths) -> RunLine:
    """The line of one run, all but its state."""
    name = paths.root.name
    try:
        ledger, story = read_story(paths)
    except (NightflyError, OSError) as error:
        return RunLine(name, fault=str(error))
    best = ledger.views.table.leading(1)
    return RunLine(
        name=name,
        stopped=ledger.history.stopped or "the driver died",
        batches=max(ledger.history.committed, 0),
        runs=len(ledger.views.tree),
        best=_best(ledger, best[0]) if best else "",
        changed=story.last_time[:19].replace("T", " "),
        badges=tuple(short for short, _ in badges(ledger)),
    )


def with_state(line: RunLine, paths: RunPaths) -> RunLine:
    """``line`` with what its driver does at this moment."""
    return replace(line, state="running" if is_held(paths.lock) else f"not running ({line.stopped})")


def _best(ledger: Ledger, stats: ConfigStats) -> str:
    """What is confirmed; else the config that leads and its mean, and where it has too few runs to be ranked."""
    if (won := ledger.views.confirmations.best) is not None:
        return f"{won.config_id} confirmed better by {won.looks[-1].runs} fresh runs"
    mean, many = stats.spreads[REWARD].mean, len(stats.runs)
    value = "undefined" if mean is None else f"{mean:.3f}"
    runs = f"{many} run{'s' if many > 1 else ''}" + (f", {stats.failed} failed" if stats.failed else "")
    rank = "" if stats.ranked else ", too few to rank it"
    return f"leading, unconfirmed: {stats.config_id}, {REWARD} {value} over {runs}{rank}"


def render_listing(runs: list[RunLine]) -> str:
    """The page that `/` shows."""
    script = (FOLDER / "list.js").read_text(encoding="utf-8")
    return template("runs.html.j2").render(runs=runs, script=Markup(script), policy=content_policy([script], live=True))
