"""An audit as text for people and as one object for programs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from agent.audit.audit import Audit
from agent.audit.classes import CLASSES, STATUSES
from agent.audit.findings import SEVERITIES, Finding, excerpt, ranges
from agent.audit.scores import Comparison
from agent.audit.trees import READINGS, Difference
from ucb.grammar import one_line

_SHOWN_LINES, _SHOWN_DIFFERENCES, _SHOWN_SCORES = 8, 6, 5


def to_json(audit: Audit, log: str, score_file: str | None) -> dict[str, Any]:
    """The audit as one object.

    log, score_file: paths as given. bytes, lines, entries: numbers. statuses: status -> entries ("unknown" included).
    assumed: name -> {value, why} for n_parallel, n_iter_block, limits {converged, failed}, ucb_c.
    counts: severity -> findings, score findings included.
    findings, score_findings: lists of {code, severity, iteration (null: the whole log), lines (from 1, of the log or of
    the score file), found, expected}, worst first.
    trees: {readings, nodes, differences: [{reading, iteration, line, node, next}]} where node and next are the parent
    by the `Node:` line and by that reading of `Next:`, "root" or an id.
    checkable: whether any metric was read; without one nothing could be checked.
    scores: {block, first, last, c, reward: metric or null, stored: nodes in the file or null, best_reading or null,
    readings: [{reading, reproduced, nodes: [{node, ucb, parent, visits, connectivity_R2}]}]}, blocks count from 1.
    """
    return {
        "log": log,
        "score_file": score_file,
        "bytes": audit.bytes,
        "lines": audit.lines,
        "entries": len(audit.entries),
        "statuses": dict(_statuses(audit)),
        "assumed": _assumed(audit),
        "checkable": audit.checkable,
        "counts": counts(audit),
        "findings": [_finding(finding) for finding in audit.findings],
        "score_findings": [_finding(finding) for finding in audit.score_findings],
        "trees": _trees(audit),
        "scores": _scores(audit),
    }


def counted(found: dict[str, int]) -> str:
    """`2 errors, 1 warning, 0 notes`."""
    return ", ".join(f"{number} {word}{'' if number == 1 else 's'}" for word, number in found.items())


def counts(audit: Audit) -> dict[str, int]:
    """Severity -> findings, those about the score file included."""
    numbers = Counter(finding.severity for finding in (*audit.findings, *audit.score_findings))
    return {severity: numbers[severity] for severity in SEVERITIES}


def _statuses(audit: Audit) -> Counter[str]:
    return Counter(entry.status or entry.kind or "unknown" for entry in audit.entries)


def _assumed(audit: Audit) -> dict[str, dict[str, Any]]:
    a = audit.assumed
    limits = {"converged": a.limits.converged, "failed": a.limits.failed}
    values = {"n_parallel": a.n_parallel, "n_iter_block": a.n_iter_block, "limits": limits}
    told = {name: {"value": value, "why": a.why[name]} for name, value in values.items()}
    return told | {"ucb_c": {"value": audit.ucb_c, "why": audit.why_c}}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "iteration": finding.iteration,
        "lines": list(finding.lines),
        "found": one_line(finding.found),
        "expected": one_line(finding.expected),
    }


def _node(parent: int | None) -> int | str:
    return parent or "root"


def _trees(audit: Audit) -> dict[str, Any]:
    rows = [
        {"reading": d.reading, "iteration": d.iteration, "line": d.line, "node": _node(d.node), "next": _node(d.next)}
        for d in audit.differences
    ]
    readings = [reading for reading in READINGS if reading != "next-slot" or audit.assumed.n_parallel > 1]
    return {"readings": readings, "nodes": len({entry.id for entry in audit.entries}), "differences": rows}


def _scores(audit: Audit) -> dict[str, Any]:
    stored = None if audit.score_file is None else len(audit.score_file.stored)
    return {
        "block": audit.block.number,
        "first": audit.block.first,
        "last": audit.block.last,
        "c": audit.ucb_c,
        "reward": audit.reward,
        "stored": stored,
        "best_reading": audit.comparisons[0].reading if stored else None,
        "readings": [_comparison(comparison) for comparison in audit.comparisons],
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    nodes = [
        {
            "node": score.node,
            "ucb": score.ucb if math.isfinite(score.ucb) else None,
            "parent": _node(score.parent),
            "visits": score.visits,
            "connectivity_R2": score.connectivity_R2,
        }
        for score in comparison.scores
    ]
    return {"reading": comparison.reading, "reproduced": comparison.reproduced, "nodes": nodes}


def to_text(audit: Audit, log: str, score_file: str | None) -> str:
    """The audit for a terminal: a summary, then the findings, worst first, with their lines."""
    return "\n".join(
        [
            *summary(audit, log, score_file),
            *_section(audit.findings, "line"),
            *_section(audit.score_findings, "score file line"),
        ]
    )


def summary(audit: Audit, log: str, score_file: str | None) -> Iterator[str]:
    """What was read, assumed and counted, as lines with a heading of 13 characters."""
    found = counts(audit)
    statuses = _statuses(audit)
    told = ", ".join(f"{statuses[name]} {name}" for name in (*STATUSES, *CLASSES, "unknown") if statuses[name])
    yield f"log          {excerpt(log)}: {audit.lines} lines, {len(audit.entries)} entries ({told})"
    a = audit.assumed
    yield f"assumed      batches of {a.n_parallel} ({a.why['n_parallel']})"
    yield f"             blocks of {a.n_iter_block} ({a.why['n_iter_block']}); c = {audit.ucb_c:g} ({audit.why_c})"
    if a.inferred.told:
        rule = a.inferred.rule.words() if a.inferred.known else "statuses by a rule that is not known here"
        yield f"             {rule} ({a.why['limits']})"
    for reading in _trees(audit)["readings"][1:]:
        yield from _tree_lines([d for d in audit.differences if d.reading == reading], reading)
    yield from _score_lines(audit, score_file)
    if not audit.checkable:
        yield "findings     no metric was read in any entry: nothing could be checked"
        return
    yield f"findings     {counted(found)}"


def _tree_lines(found: Sequence[Difference], reading: str) -> Iterator[str]:
    if not found:
        yield f"tree         `Node:` and `Next:` ({reading}) tell of the same tree"
        return
    shown = ", ".join(f"{d.iteration} ({_node(d.node)} or {_node(d.next)})" for d in found[:_SHOWN_DIFFERENCES])
    more = f" and {len(found) - _SHOWN_DIFFERENCES} more" if len(found) > _SHOWN_DIFFERENCES else ""
    yield f"tree         `Node:` and `Next:` ({reading}) differ in the parent of {shown}{more}"


def _score_lines(audit: Audit, score_file: str | None) -> Iterator[str]:
    block, best = audit.block, audit.comparisons[0]
    where = f"block {block.number}, iterations {block.first}-{block.last}, {len(best.scores)} nodes"
    if audit.score_file is not None:
        stored = len(audit.score_file.stored)
        told = ", ".join(f"{c.reading} {c.reproduced}" for c in audit.comparisons)
        yield f"scores       {excerpt(score_file or '')}: {where}"
        yield f"             of {stored} stored nodes reproduced, by reading: {told}"
        return
    if audit.reward is None:
        yield f"scores       {where}: not computed, the log tells of no reward"
        return
    yield f"scores       {where}, of {audit.reward}, no score file to compare with"
    for score in best.scores[:_SHOWN_SCORES]:
        parent = _node(score.parent)
        yield f"             node {score.node}: UCB {score.ucb:.3f}, parent {parent}, visits {score.visits}"


def _section(findings: Sequence[Finding], unit: str) -> Iterator[str]:
    for severity in SEVERITIES:
        chosen = [finding for finding in findings if finding.severity == severity]
        if chosen:
            yield ""
            yield f"{severity}s" if unit == "line" else f"{severity}s in the score file"
        for finding in chosen:
            yield f"  {finding.code}, {_where(finding, unit)}: {one_line(finding.found)}"
            yield f"      right: {one_line(finding.expected)}"


def _where(finding: Finding, unit: str) -> str:
    shown = ranges(finding.lines[:_SHOWN_LINES])
    more = f" and {len(finding.lines) - _SHOWN_LINES} more" if len(finding.lines) > _SHOWN_LINES else ""
    place = f"{unit}{'s' if len(finding.lines) > 1 else ''} {shown}{more}"
    return place if finding.iteration is None else f"iter {finding.iteration}, {place}"
