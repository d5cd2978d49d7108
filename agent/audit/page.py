"""An audit as one page: facts, findings at their lines, tree, scores, the log itself. It holds no script and asks the
network for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from agent.audit.audit import Audit
from agent.audit.drawing import draw
from agent.audit.findings import SEVERITIES, Finding
from agent.audit.report import counted, counts, summary
from ucb.grammar import one_line

FOLDER = Path(__file__).parent / "page"
# The first bytes of a page; no other file is ever written over.
MARK = "a page of nightfly audit"
_MOST_ROWS, _AROUND, _LONGEST = 20_000, 3, 2_000
_TOLD_AT = 8


@lru_cache(maxsize=1)
def _template() -> Template:
    look = Environment(loader=FileSystemLoader(FOLDER), undefined=StrictUndefined, autoescape=True, trim_blocks=True)
    return look.get_template("audit.html.j2")


def render_audit(audit: Audit, log: bytes, name: str, score_file: str | None) -> str:
    """The page of an audit of ``log``; all that comes from the log is set as text."""
    texts = log.decode("utf-8-sig", errors="replace").split("\n")[: audit.lines]
    shown = _shown(audit, len(texts))
    kept = (
        f"The log has {len(texts)} lines; shown are those near entries with findings."
        if len(shown) < len(texts)
        else ""
    )
    tree = draw(audit)
    return _template().render(
        mark=MARK,
        name=one_line(name),
        style=Markup((FOLDER / "audit.css").read_text(encoding="utf-8")),
        facts=[_fact(line) for line in summary(audit, name, score_file)],
        counted=counted(counts(audit)),
        checkable=audit.checkable,
        findings=[_row(f, True) for f in audit.findings] + [_row(f, False) for f in audit.score_findings],
        lines_shown=set(shown),
        tree=tree,
        differences=_differences(audit),
        scores=_scores(audit),
        rows=list(_rows(audit, texts, shown)),
        left_out=kept,
    )


def _fact(line: str) -> tuple[str, str]:
    return line[:13].strip(), line[13:]


def _row(finding: Finding, linked: bool) -> dict[str, Any]:
    return {
        "severity": finding.severity,
        "code": finding.code,
        "iteration": finding.iteration,
        "lines": list(finding.lines),
        "linked": linked,
        "found": one_line(finding.found),
        "expected": one_line(finding.expected),
    }


def _shown(audit: Audit, n: int) -> list[int]:
    """All lines, or of a very long log those of entries and around findings."""
    if n <= _MOST_ROWS:
        return list(range(1, n + 1))
    wanted = {entry.line for entry in audit.entries} | {line for f in audit.findings for line in f.lines[:_TOLD_AT]}
    near = {at for line in wanted for at in range(line - _AROUND, line + _AROUND + 1) if 1 <= at <= n}
    return sorted(near)[:_MOST_ROWS]


def _rows(audit: Audit, texts: Sequence[str], shown: Sequence[int]) -> Any:
    """Each line with the findings that end at it, and the worst of those that touch it."""
    at: dict[int, list[Finding]] = {}
    worst: dict[int, str] = {}
    for finding in audit.findings:
        if finding.lines and len(finding.lines) <= _TOLD_AT:
            at.setdefault(max(finding.lines), []).append(finding)
        for line in finding.lines:
            if line not in worst or SEVERITIES.index(finding.severity) < SEVERITIES.index(worst[line]):
                worst[line] = finding.severity
    for number in shown:
        text = "".join(
            c if c.isprintable() or c == "\t" else "\ufffd" for c in texts[number - 1].rstrip("\r")[:_LONGEST]
        )
        told = [_row(finding, True) for finding in at.get(number, [])]
        yield {"number": number, "text": text, "worst": worst.get(number, ""), "told": told}


def _differences(audit: Audit) -> list[str]:
    return [line[13:] for line in summary(audit, "", None) if line.startswith("tree")]


def _scores(audit: Audit) -> dict[str, Any]:
    best, block = audit.comparisons[0], audit.block
    stored = {one.node: one for one in audit.score_file.stored} if audit.score_file else {}
    where = f"Block {block.number}, iterations {block.first} to {block.last}"
    words = f"{where}, c = {audit.ucb_c:g}, parents by {best.reading}."
    if audit.reward is None:
        words = "Not computed: the log tells of no reward."
    rows = [
        {
            "node": score.node,
            "ucb": f"{score.ucb:.3f}",
            "stored": _number(stored[score.node].ucb) if score.node in stored else "",
            "parent": score.parent or "root",
            "visits": score.visits,
            "reward": _number(score.connectivity_R2),
            "mutation": one_line(score.mutation[:200]),
        }
        for score in best.scores
    ]
    return {"words": words, "rows": rows, "stored": bool(stored), "reward": audit.reward or "reward"}


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
