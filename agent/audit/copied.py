"""Metrics that entries of different configs share to the last digit: stale or copied figures."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence

from agent.audit.entry import Entry, metric_lines
from agent.audit.findings import Finding, ranges
from agent.audit.rules import is_r2

# Equal by chance once in so many pairs (log10) is told: each metric counts the values it could have had.
_ENOUGH = 4.5
_MOST = 4.0
_NEAR = 10
_KINDS = ("pearson", "accuracy", "acc")
_SHOWN = 4

Signature = tuple[tuple[str, float, int], ...]


def check_copies(entries: Sequence[Entry]) -> Iterator[Finding]:
    """One warning for each set of metrics that several entries share although config or seeds differ."""
    groups: dict[Signature, list[Entry]] = {}
    for entry in entries:
        signature = _signature(entry)
        if len(signature) > 1 and sum(_surprise(value, digits) for _, value, digits in signature) >= _ENOUGH:
            groups.setdefault(signature, []).append(entry)
    shared = {signature: group for signature, group in groups.items() if len({_settings(e) for e in group}) > 1}
    columns = _columns(entries) if shared else {}
    for signature, group in shared.items():
        if _rare(signature, len(group), columns):
            shown = ", ".join(f"{name}={value:.{digits}f}" for name, value, digits in signature[:_SHOWN])
            names = ranges(entry.iteration for entry in group)
            lines = tuple(line for entry in group for line in metric_lines(entry))
            found = f"entries {names} of different configs or seeds have the same metrics to the last digit: {shown}"
            expected = "figures of their own; these are stale or copied, or the setting changes nothing"
            yield Finding("metrics-copied", group[-1].iteration, lines, found, expected)


def _signature(entry: Entry) -> Signature:
    """The figures of quality; a loss or a time is computed anew even where those were not."""
    return tuple(
        (name, value, entry.decimals[name])
        for name, value in sorted(entry.metrics.items())
        if value is not None and entry.decimals.get(name, 15) < 15 and _is_quality(name)
    )


def _is_quality(name: str) -> bool:
    return is_r2(name) or name.casefold().endswith(_KINDS)


def _surprise(value: float, digits: int) -> float:
    """log10 of the number of values between ``value`` and the nearest of 0 and 1, which many runs share."""
    distance = min(abs(value), abs(1.0 - value)) * 10.0**digits
    return min(_MOST, math.log10(max(1.0, distance)))


def _columns(entries: Sequence[Entry]) -> dict[str, list[float]]:
    """Metric -> its values in the whole log, sorted."""
    columns: dict[str, list[float]] = {}
    for entry in entries:
        for name, value in entry.metrics.items():
            if value is not None:
                columns.setdefault(name, []).append(value)
    return {name: sorted(values) for name, values in columns.items()}


def _rare(signature: Signature, size: int, columns: Mapping[str, list[float]]) -> bool:
    """Whether the figures of ``size`` entries stand out from the others; where most lie close, some are equal."""
    total = 0.0
    for name, value, digits in signature:
        values, reach = columns[name], (_NEAR + 0.5) * 10.0**-digits
        near = bisect_right(values, value + reach) - bisect_left(values, value - reach) - size
        crowd = math.log10((2 * _NEAR + 1) * (len(values) - size) / near) if near > 0 else _MOST
        total += min(crowd, _surprise(value, digits))
    return total >= _ENOUGH


def _settings(entry: Entry) -> frozenset[tuple[str, object]]:
    return frozenset([*entry.config.items(), *entry.seeds.items()])
