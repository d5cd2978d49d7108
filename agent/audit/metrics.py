"""Metrics against the status of their entry and against what is possible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from agent.audit.assume import Assumptions
from agent.audit.entry import Entry, metric_lines
from agent.audit.findings import Finding
from agent.audit.rules import LIMITS, Rule
from state.metrics import ANY, FOREIGN, METRICS, REWARD


def check_metrics(entries: Sequence[Entry], assumed: Assumptions) -> Iterator[Finding]:
    """Statuses that the log's rule excludes (an error when every known pair of limits does), impossible values."""
    inferred = assumed.inferred
    if inferred.told and not inferred.known:
        found = f"{inferred.wrong} of {inferred.told} statuses contradict every rule known here"
        expected = "the rule of the statuses in the log; statuses, rewards and scores by it were not judged"
        yield Finding("status-rule-unknown", None, tuple(e.line for e in entries if e.status), found, expected)
    for entry in entries:
        if entry.status and "Metrics" in entry.fields and inferred.known and not inferred.rule.allows(entry):
            yield from _status(entry, inferred.rule)
        for measured in (entry.metrics, *(slot.metrics for slot in entry.slots)):
            yield from _impossible(entry, measured)


def _impossible(entry: Entry, metrics: Mapping[str, float | None]) -> Iterator[Finding]:
    for name, row in {**METRICS, **FOREIGN}.items():
        value = metrics.get(name)
        if value is not None and not row.low - 1e-9 <= value <= row.high + 1e-9:
            expected = f"at most {row.high:g}" if row.low == ANY else f"{row.low:g} to {row.high:g}"
            yield Finding("metric-impossible", entry.iteration, metric_lines(entry), f"{name}={value:g}", expected)


def _status(entry: Entry, rule: Rule) -> Iterator[Finding]:
    values = [(name, entry.metrics.get(name)) for name in rule.metrics]
    lines = (entry.line, *entry.lines("Metrics"))
    if any(value is None for _, value in values):
        # Another reward than connectivity_R2 was only inferred: that an entry lacks it says nothing.
        if rule.metrics == (REWARD,):
            found = f"status {entry.status} without a {REWARD}"
            yield Finding("status-contradicts", entry.iteration, lines, found, "failed or partial, or the metric")
        return
    others = (Rule(limits, rule.metrics) for limits in LIMITS)
    code = "status-doubtful" if any(other.allows(entry) for other in others) else "status-contradicts"
    told = ", ".join(f"{name}={value:g}" for name, value in values)
    expected = f"{' or '.join(sorted(rule.statuses(entry)))} ({rule.words()})"
    yield Finding(code, entry.iteration, lines, f"status {entry.status} with {told}", expected)
