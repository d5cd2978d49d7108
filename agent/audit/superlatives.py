"""`best so far` in the prose of an entry against the numbers of those before it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.audit.assume import Assumptions
from agent.audit.entry import Entry
from agent.audit.findings import Finding, excerpt
from agent.audit.rules import rounding
from agent.audit.values import canonical_metric
from state.metrics import REWARD

_PROSE = ("Observation", "Verdict", "Visual", "Analysis", "Assessment", "Activity", "Embedding")
_BEST = re.compile(
    r"\b(?:new )?(?:best|highest)\b((?: [\w²]{1,30}){0,3}?)(?: result| value| run| config)?(?: \(?[0-9.]{1,8}\)?)?"
    r" (?:so far|yet|ever)\b|\bnew best\b((?: [\w²]{1,30})?)",
    re.IGNORECASE,
)
# `best so far at batch_size=4` is about a part of the runs.
_PART = re.compile(r"\W{0,3}(?:at|for|with|in|of|among|under|within|on|using|when)\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z][\w²]{0,39}")
_VAGUE = frozenset(
    {"result", "results", "overall", "run", "config", "configuration", "r2", "r²", "metrics", "model", "value"}
)


def check_superlatives(entries: Sequence[Entry], assumed: Assumptions, reward: str | None) -> Iterator[Finding]:
    """A note where an earlier entry of the same block (and model) is better in the metric that is meant."""
    before: dict[tuple[int, str], list[Entry]] = {}
    for entry in entries:
        rivals = before.setdefault((assumed.block(entry.iteration), _model(entry)), [])
        for line, text, metric in _claims(entry, reward or REWARD):
            own = entry.metrics.get(metric)
            best = max(rivals, key=lambda other: _value(other, metric), default=None)
            if own is None or best is None:
                continue
            slack = rounding(entry, metric) + rounding(best, metric)
            if _value(best, metric) > own + slack + 1e-9:
                found = f"`{excerpt(text)}` with {metric}={own:g}"
                expected = f"entry {best.iteration} of the same block has {_value(best, metric):g}"
                lines = (line, *best.lines("Metrics"))
                yield Finding("superlative-contradicted", entry.iteration, lines, found, expected)
        rivals.append(entry)


def _claims(entry: Entry, reward: str) -> Iterator[tuple[int, str, str]]:
    """Line, words and metric of each superlative; one whose metric cannot be told is passed over."""
    places = [(entry.line, entry.title)]
    places += [(entry.fields[label].line, entry.fields[label].text) for label in _PROSE if label in entry.fields]
    for line, text in places:
        for match in _BEST.finditer(text[:4000]):
            metric = _metric(match[1] or match[2] or "", entry, reward)
            if metric is not None and not _PART.match(text, match.end()):
                yield line, match[0], metric


def _metric(words: str, entry: Entry, reward: str) -> str | None:
    told = [word for word in _WORD.findall(words) if word.casefold() not in _VAGUE]
    if not told:
        return reward
    metric = canonical_metric(told[0])
    return metric if metric in entry.metrics and not metric.casefold().endswith(("loss", "mse", "min")) else None


def _value(entry: Entry, metric: str) -> float:
    value = entry.metrics.get(metric)
    return float("-inf") if value is None else value


def _model(entry: Entry) -> str:
    return entry.fields["Model"].text if "Model" in entry.fields else ""
