"""`Seed stats:` and `Variance update:` against the runs they are about."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.audit.assume import Assumptions
from agent.audit.entry import Entry
from agent.audit.findings import Finding
from agent.audit.slots import column
from agent.audit.values import Value, canonical_metric, decimals, read_number, read_pairs
from state.metrics import REWARD

_STAT = re.compile(r"(mean|std|cv|min|max)(?:_(\w{1,40}))?", re.IGNORECASE)
_RUNS = re.compile(r"\bnow has ([0-9]{1,6}) runs?\b", re.IGNORECASE)
_CV = re.compile(r"\bCV\(([\w²]{1,40})\) {0,2}= {0,2}([0-9.]{1,20}) {0,2}%?", re.IGNORECASE)


@dataclass(frozen=True)
class Spread:
    """Statistics of runs: each a tuple of the values that different definitions give; ``slack``: their rounding."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    cv: tuple[float, ...]
    min: tuple[float, ...]
    max: tuple[float, ...]
    slack: float


def spread(values: Sequence[float], slack: float) -> Spread:
    """Standard deviations with ddof 0 and 1; CV as a fraction."""
    n = len(values)
    mean = math.fsum(values) / n
    squares = math.fsum((value - mean) ** 2 for value in values)
    std = tuple(math.sqrt(squares / (n - ddof)) for ddof in (0, 1) if n > ddof) if n > 1 else (0.0,)
    cv = tuple(one / abs(mean) for one in std) if mean else ()
    return Spread((mean,), std, cv, (min(values),), (max(values),), slack)


def check_seed_stats(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Each number of a `Seed stats:` line that the slots of its entry contradict."""
    for entry in entries:
        if "Seed stats" not in entry.fields or not entry.slots:
            continue
        for name, text, metric in _told(entry.fields["Seed stats"].text):
            values = column(entry.slots, metric)
            if len(values) == len(entry.slots) and (finding := _compare(entry, name, text, metric, values)):
                yield finding


def _told(text: str) -> Iterator[tuple[str, str, str]]:
    """Statistic, text of its value and metric; the metric is that of the last `mean_METRIC` of its part, if unsaid."""
    for part in text.split(";"):
        metric = REWARD
        for key, value in read_pairs(part).items():
            match = _STAT.fullmatch(key)
            if match is None:
                continue
            own = canonical_metric(match[2]) if match[2] else metric
            if match[1].casefold() == "mean" and match[2]:
                metric = own
            yield match[1].casefold(), value, own


def _compare(entry: Entry, name: str, text: str, metric: str, values: Sequence[float]) -> Finding | None:
    percent = text.rstrip(".,").endswith("%")
    number = read_number(text.rstrip(".,").removesuffix("%"))
    if number is None or decimals(text) == 15:
        return None
    found = spread(values, max(slot.rounding(metric) for slot in entry.slots))
    # Half a unit of the last decimal, a whole one where models cut digits off or compute from rounded figures.
    unit = (1.0 if name == "cv" or decimals(text) > 2 else 0.5) * 10.0 ** -decimals(text)
    rights = getattr(found, name)
    # A CV without its sign may be a fraction or a percentage.
    scales = (100.0,) if percent else (1.0, 100.0) if name == "cv" else (1.0,)
    accepted = (*rights, *_from_stated(entry)) if name == "cv" else rights
    allowed = found.slack if name != "cv" else 2.0 * found.slack / max(abs(found.mean[0]), 1e-9)
    if not rights or any(
        abs(number - scale * right) < max(1e-9, unit + scale * allowed - 1e-9) for right in accepted for scale in scales
    ):
        return None
    told = " or ".join(dict.fromkeys(f"{scales[0] * right:.3g}" for right in rights))
    lines = (*(slot.line for slot in entry.slots), *entry.lines("Seed stats"))
    what = f"{name} of {metric}"
    shown = f"{told}{' %' if percent else ''}"
    return Finding(
        "statistics-differ", entry.iteration, lines, f"{what} {text.rstrip('.,')}", f"{shown}, as the slots give"
    )


def _from_stated(entry: Entry) -> tuple[float, ...]:
    """The CV that the rounded mean and std of the line give."""
    numbers = {
        name: read_number(text) for name, text, metric in _told(entry.fields["Seed stats"].text) if metric == REWARD
    }
    mean, std = numbers.get("mean"), numbers.get("std")
    return (std / mean,) if std is not None and mean else ()


def check_variance_updates(entries: Sequence[Entry], assumed: Assumptions) -> Iterator[Finding]:
    """A CV that the runs of the entry's config contradict, where the log shows as many runs as the line says.

    A warning: that equal Config lines are runs of one config is likely, not said.
    """
    groups: dict[frozenset[tuple[str, Value]], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_config(entry), []).append(entry)
    for entry in entries:
        match = _RUNS.search(entry.fields["Variance update"].text) if "Variance update" in entry.fields else None
        if match is None or not entry.config:
            continue
        last = assumed.batch(entry.iteration)
        runs = [other for other in groups[_config(entry)] if assumed.batch(other.iteration) <= last]
        upto = [other for other in runs if other.iteration <= entry.iteration]
        fitting = [some for some in (runs, upto) if len(some) == int(match[1])]
        if len(fitting) and int(match[1]) > 1:
            yield from _cvs(entry, fitting)


def _config(entry: Entry) -> frozenset[tuple[str, Value]]:
    return frozenset(entry.config.items())


def _cvs(entry: Entry, groups: Sequence[Sequence[Entry]]) -> Iterator[Finding]:
    text = entry.fields["Variance update"].text
    for name, shown in _CV.findall(text):
        metric, number = canonical_metric(name), read_number(shown.rstrip("."))
        rights = [right for runs in groups for right in _cv_of(runs, metric)]
        if number is None or not rights:
            continue
        unit = 0.5 * 10.0 ** -decimals(shown)
        # Metrics are rounded, too; a CV of a few percent moves by a few hundredths.
        if all(abs(number - 100.0 * right) > unit + 0.2 for right in rights):
            told = " or ".join(dict.fromkeys(f"{100.0 * right:.3g}%" for right in rights))
            runs = groups[0]
            lines = (*(line for run in runs for line in run.lines("Metrics")), *entry.lines("Variance update"))
            found = f"CV({name})={shown}% over {len(runs)} runs"
            yield Finding("variance-doubtful", entry.iteration, lines, found, f"{told}, as these runs give")


def _cv_of(runs: Sequence[Entry], metric: str) -> list[float]:
    """CVs by both definitions, with failed runs as 0 and without them; none where a metric is not told."""
    values = [run.metrics.get(metric) for run in runs]
    known = [value for value in values if value is not None]
    counted = [value if value is not None else 0.0 for value in values]
    if len(known) < 2 or any(value is None and run.status != "failed" for value, run in zip(values, runs, strict=True)):
        return []
    return [right for some in (known, counted) for right in spread(some, 0.0).cv]
