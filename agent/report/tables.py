"""The tables of the page: configs, failures, rejections, claim checks, provenance; rows of plain text."""

from __future__ import annotations

from typing import Any, TypeVar

from agent.briefing.config_view import config_changes
from agent.ledger.ledger import Ledger
from agent.ledger.standing import standing
from agent.report.story import Story
from state.config import Scalar
from state.errors import RunError
from state.metrics import METRICS, REWARD, tabled
from ucb.compare import show_interval
from ucb.estimates import BASELINE
from ucb.table import trends
from ucb.variance import ConfigStats, Spread

SHOWN = 25
Row = TypeVar("Row")


def config_rows(ledger: Ledger, most: int | None = None) -> list[dict[str, Any]]:
    """One row a config in the order of the variance table: figures of its metrics and the comparison with the baseline.

    Those with too few runs for a rank are marked so; ``most`` = the first so many.
    """
    return [_config_row(ledger, stats) for stats in ledger.views.table.top(most)]


def _config_row(ledger: Ledger, stats: ConfigStats) -> dict[str, Any]:
    changes = config_changes(ledger, stats.config_id)
    return {
        "config": stats.config_id,
        "changes": ", ".join(f"{key.rpartition('.')[2]} = {value}" for key, value in changes.items()) or "the defaults",
        "runs": len(stats.runs),
        "failed": stats.failed,
        "seeds": f"{stats.simulation_seeds} / {stats.training_seeds}",
        "cells": [_cell(spread, len(stats.runs)) for spread in stats.spreads.values()],
        "trend": trends(stats.runs, stats.format),
        "robust": stats.robustness,
        "bad": str(ledger.views.estimates.share(stats.config_id)),
        "ranked": stats.ranked,
        "against": _against_baseline(ledger, stats),
    }


def _cell(spread: Spread, runs: int) -> dict[str, str]:
    std = "" if spread.std is None else f"± {spread.std:.3f}"
    cv = "" if spread.cv is None else f"CV {100 * spread.cv:.1f} %"
    some = f"in {spread.n} of {runs} runs" if 0 < spread.n < runs else ""
    return {"mean": "n/a" if spread.mean is None else f"{spread.mean:.3f}", "std": std, "cv": cv, "some": some}


def _against_baseline(ledger: Ledger, stats: ConfigStats) -> str:
    """The verdict of its trial, or that there is none, and how far it lies from the baseline."""
    if stats.config_id == BASELINE or BASELINE not in ledger.views.table:
        return ""
    names = dict.fromkeys((REWARD, ledger.campaign.goal.primary))
    found = [ledger.views.estimates.compare(stats.config_id, BASELINE, name) for name in names]
    gaps = [f"{METRICS[one.metric].short} {one.difference:+.3f}, {show_interval(one)}" for one in found if one.interval]
    return "; ".join([standing(ledger.views, stats.config_id), *gaps])


def person_rows(ledger: Ledger, story: Story) -> list[dict[str, str]]:
    """What people told the run, in order: the lab's own instruction, those for Claude with its answers, requests."""
    rows = []
    if (own := ledger.history.instruction) is not None:
        rows.append({"when": "before the night", "what": "the lab's instruction", "text": _words(ledger, own)})
    for words in story.words:
        text = _words(ledger, words.text) if words.text else ""
        what = "instruction for Claude" if words.kind == "instruction" else words.kind
        answer = words.answer or ("not acknowledged yet" if words.kind == "instruction" else "")
        rows.append({"when": words.time[:19].replace("T", " "), "what": what, "text": text, "answer": answer})
    return rows


def _words(ledger: Ledger, blob: str) -> str:
    try:
        return ledger.blobs.text(blob)
    except RunError:
        return "(its blob is missing or damaged)"


def latest(rows: list[Row], most: int | None) -> list[Row]:
    """The last ``most`` rows, all for None."""
    return rows if most is None else rows[-most:]


def imported_rows(ledger: Ledger) -> list[dict[str, Any]]:
    """What a predecessor's log states of its nodes."""
    base = ledger.campaign.base_config().flat()
    return [
        {
            "id": node["id"],
            "parent": "root" if node["parent"] is None else node["parent"],
            "config": _departures(node["departures"], base),
            "stated": [_stated(node["metrics"].get(row.name)) for row in tabled(ledger.campaign.format)],
            "mutation": node["mutation"],
            "origin": node["origin"],
        }
        for node in ledger.history.imported.values()
    ]


def _departures(departures: dict[str, Scalar] | None, base: dict[str, Scalar]) -> str:
    if departures is None:
        return "not known"
    told = [f"{key.rpartition('.')[2]} = {value}" for key, value in departures.items() if value != base[key]]
    return ", ".join(told) or "the defaults"


def _stated(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def failure_rows(ledger: Ledger, cut: bool = False) -> list[dict[str, Any]]:
    """Slots without metrics: those that failed, or those that were ``cut``."""
    rows = []
    for number, iteration in ledger.history.iterations.items():
        if iteration.result is not None and (failure := iteration.result.failure) is not None and failure.is_cut == cut:
            kind = failure.kind.replace("_", " ")
            rows.append(
                {"id": number, "kind": kind, "message": failure.message, "mutation": iteration.planned.mutation}
            )
    return rows


def guard_rows(story: Story) -> list[dict[str, Any]]:
    """What the guard refused, warned of, and filled itself, in the order of the night."""
    rows = []
    for talk in story.talks:
        rows += [{"batch": talk.batch, "what": "sent back", "text": text} for text in talk.violations]
        rows += [{"batch": talk.batch, "what": "warning", "text": text} for text in talk.warnings]
        for slot, reasons in talk.fallbacks.items():
            why = "; ".join(reasons) or "no proposal"
            rows.append(
                {"batch": talk.batch, "what": "fallback", "text": f"slot_{slot} was filled by the program: {why}"}
            )
    return rows


def check_rows(ledger: Ledger) -> list[dict[str, Any]]:
    """Figures stated by the model that the measurements contradict, as the log's `Check:` lines have them."""
    return [
        {"id": number, "text": text}
        for number, iteration in ledger.history.iterations.items()
        if iteration.entry is not None
        for text in iteration.entry.get("checks", ())
    ]


def provenance(ledger: Ledger, story: Story) -> list[tuple[str, str]]:
    """Where the figures come from: truth, stimulus, device, versions, and the head of the journal."""
    done = [it.result for it in ledger.history.iterations.values() if it.result is not None and it.result.truth]
    facts = [(name, sorted({getattr(r, name) for r in done})) for name in ("truth", "stimulus", "device")]
    driver = story.drivers[-1] if story.drivers else {}
    packages = ", ".join(f"{name} {version}" for name, version in driver.get("packages", {}).items() if version)
    rows = [(name, "; ".join(value for value in values if value)) for name, values in facts]
    rows += [
        ("models", ", ".join(sorted({talk.model for talk in story.talks if talk.model}))),
        ("nightfly", f"{driver.get('version', 'unknown')}, commit {driver.get('git_commit') or 'unknown'}"),
        ("packages", packages),
        ("hosts", ", ".join(sorted({str(d.get("host")) for d in story.drivers}))),
        ("journal", f"{story.records} records, {story.first_time} to {story.last_time}, head {story.head}"),
    ]
    return [(name, value) for name, value in rows if value]
