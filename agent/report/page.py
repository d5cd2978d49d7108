"""Puts the page together: template, style, script, plotting library and data in one file that asks the network for
nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from agent.briefing.comparisons import LATEST_RUNS
from agent.ledger.gains import gain_lines
from agent.ledger.ledger import Ledger
from agent.ledger.screening import screening_lines
from agent.ledger.standard import standard_lines
from agent.report.data import page_data, shown_texts
from agent.report.learned import lessons, principles
from agent.report.limits import limits_of
from agent.report.pictures import Album
from agent.report.story import Story
from agent.report.tables import (
    SHOWN,
    check_rows,
    config_rows,
    failure_rows,
    guard_rows,
    imported_rows,
    latest,
    person_rows,
    provenance,
)
from state.explorer import TITLES
from state.metrics import tabled
from ucb.variance import RANKED_FROM

FOLDER = Path(__file__).parent / "page"
SCRIPTS = (
    *("look.js", "state.js", "tree.js", "curve.js", "conversation.js", "details.js", "beside.js"),
    *("trajectories.js", "parameters.js", "timeline.js", "runs.js", "since.js", "more.js", "main.js"),
)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(FOLDER), undefined=StrictUndefined, autoescape=True, trim_blocks=True)


def template(name: str) -> Template:
    """A template of the page's folder, with the page's style at hand."""
    style = Markup((FOLDER / "page.css").read_text(encoding="utf-8"))
    return _environment().get_template(name, globals={"style": style})


@lru_cache(maxsize=1)
def plotly_script() -> str:
    """The plotting library, to stand in the page itself."""
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script


@lru_cache(maxsize=1)
def _own_script() -> str:
    """The page's scripts in one closure: they share names with each other and with nothing else on the page."""
    return "(() => {\n" + "".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS) + "})();\n"


def render_page(ledger: Ledger, story: Story, base: str, album: Album | None = None, live: bool = False) -> str:
    """The page; ``base`` leads from it to the run directory, ``live`` lets it ask its own server for news."""
    limits = limits_of(ledger)
    texts = shown_texts(ledger, story.talks, limits.texts)
    album = album or Album()
    data = page_data(ledger, story, album.pictures(ledger, limits), texts, limits)
    data["batch_pictures"] = album.of_batches(ledger, story, limits)
    scripts = [plotly_script(), _own_script()]
    facts = {
        "title": ledger.campaign.name,
        "badges": [whole for _, whole in badges(ledger)],
        "summary": _summary(ledger, story),
        "lessons": lessons(ledger, story),
        "principles": principles(ledger),
        "told": person_rows(ledger, story),
        "standard": standard_lines(ledger.views),
        "screened": screening_lines(ledger.views),
        "control": gain_lines(ledger),
        "imported": imported_rows(ledger),
        "imported_from": ledger.history.imported_from,
        "imported_used": ledger.views.stated.used,
        "configs": config_rows(ledger, limits.rows),
        "more_configs": _beyond(len(ledger.views.table), limits.rows),
        "whole": None if limits.whole is None else len(limits.whole),
        "runs": len(ledger.views.tree),
        "live": live,
        "shown": SHOWN,
        "table_metrics": [row.name for row in tabled(ledger.campaign.format)],
        "ranked_from": RANKED_FROM,
        "latest_runs": LATEST_RUNS,
        "failures": latest(failure_rows(ledger), limits.rows),
        "cuts": latest(failure_rows(ledger, cut=True), limits.rows),
        "guard": latest(guard_rows(story), limits.rows),
        "checks": latest(check_rows(ledger), limits.rows),
        "lost": sorted(name for name, text in texts.items() if text is None),
        "summaries": dict(latest(list(story.summaries.items()), limits.rows)),
        "provenance": provenance(ledger, story),
    }
    return template("index.html.j2").render(
        **facts,
        root=base,
        policy=content_policy(scripts, live),
        scripts=[Markup(script) for script in scripts],
        data=Markup(inert_json(data | {"base": base, "live": live, "head": story.head})),
    )


def inert_json(value: Any) -> str:
    """JSON that cannot end the script element that holds it, nor begin a comment there, whatever a model wrote."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def content_policy(scripts: list[str], live: bool) -> str:
    """The content security policy: these scripts by their hashes, no others, and no address to fetch from."""
    digests = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    connect = " connect-src 'self';" if live else ""
    # Linked pictures are files beside the page; a browser treats a page opened as a file as an origin of its own.
    return (
        f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; img-src data: blob: 'self' file:;"
        f"{connect} base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _beyond(many: int, shown: int | None) -> int:
    return 0 if shown is None else max(0, many - shown)


def badges(ledger: Ledger) -> list[tuple[str, str]]:
    """What is not as in a real night with Claude: in a word for the list of runs, and whole for the report's head."""
    history, found = ledger.history, []
    if ledger.campaign.trainer != "gnn":
        found.append(("surrogate", "SURROGATE: no network was trained"))
    if history.explorer != "claude":
        title = TITLES[history.explorer]
        found.append(("dry run", "dry run: mocked Claude") if history.dry_run else (title, f"explored by {title}"))
    if history.hints is not None:
        found.append((hints := f"hints of {TITLES[history.hints]}", hints))
    return found


def _summary(ledger: Ledger, story: Story) -> str:
    history, done = ledger.history, len(ledger.views.tree)
    waiting = sum(it.result is None for it in history.iterations.values()) + len(history.ahead)
    batches = max(history.committed, 0)
    parts = [
        f"{batches} batch{'es' if batches != 1 else ''} committed",
        f"{done} run{'s' if done != 1 else ''} finished",
    ]
    parts += [f"{waiting} {'without a result' if history.stopped else 'planned or running'}"] if waiting else []
    # A driver that was killed could not say so, and a page cannot see whether one is at work.
    parts.append(history.stopped or "in progress, unless the driver died")
    return f"{', '.join(parts)}. As of {story.last_time[:16].replace('T', ' ')} UTC."
