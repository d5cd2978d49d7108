"""Metrics against the status of their entry and against what is possible. Knows no other entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.audit.assume import LIMITS, Assumptions, fits
from agent.audit.entry import Entry
from agent.audit.findings import Finding

# An R2 that is a coefficient of determination has no lower bound.
_ANY = float("-inf")
_WITHIN = {
    "connectivity_R2": (_ANY, 1.0),
    "tau_R2": (_ANY, 1.0),
    "V_rest_R2": (_ANY, 1.0),
    "test_R2": (_ANY, 1.0),
    "cluster_accuracy": (0.0, 1.0),
    "test_pearson": (-1.0, 1.0),
}


def check_metrics(entries: Sequence[Entry], assumed: Assumptions) -> Iterator[Finding]:
    """Statuses that connectivity_R2 contradicts (an error when under every known pair of limits), impossible values."""
    for entry in entries:
        if entry.status and "Metrics" in entry.fields and not fits(entry, assumed.limits):
            yield _status(entry, assumed)
        for name, (low, high) in _WITHIN.items():
            value = entry.metrics.get(name)
            if value is not None and not low - 1e-9 <= value <= high + 1e-9:
                lines = entry.lines("Metrics")
                expected = f"at most {high:g}" if low == _ANY else f"{low:g} to {high:g}"
                yield Finding("metric-impossible", entry.iteration, lines, f"{name}={value:g}", expected)


def _status(entry: Entry, assumed: Assumptions) -> Finding:
    value = entry.metrics.get("connectivity_R2")
    lines = (entry.line, *entry.lines("Metrics"))
    if value is None:
        found = f"status {entry.status} without a connectivity_R2"
        return Finding("status-contradicts", entry.iteration, lines, found, "failed or partial, or the metric")
    code = "status-doubtful" if any(fits(entry, limits) for limits in LIMITS) else "status-contradicts"
    limits = assumed.limits
    expected = " or ".join(sorted(limits.statuses(value, 0.0)))
    expected += f" (converged above {limits.converged:g}, failed below {limits.failed:g})"
    return Finding(code, entry.iteration, lines, f"status {entry.status} with connectivity_R2={value:g}", expected)
