"""What an audit reports: findings, each with a code, a severity, lines, what was found and what would be right. Knows
neither logs nor checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ucb.grammar import one_line

Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
_LONGEST = 120

# error: two statements of the log (or log and score file) cannot both be true, or the tree cannot be built from it.
# warning: suspicious, or true only under an assumption. note: what the reader could not use, or harmless.
CODES: dict[str, Severity] = {
    "duplicate-id": "error",
    "header-node-differ": "error",
    "parent-missing": "error",
    "parent-future": "error",
    "parent-own": "error",
    "parent-same-batch": "error",
    "next-id-plus-one": "error",
    "next-missing-node": "error",
    "mutation-contradicts-parent": "error",
    "mutation-contradicts-child": "error",
    "undeclared-change": "error",
    "status-contradicts": "error",
    "statistics-differ": "error",
    "score-differs": "error",
    "parent-batch-doubtful": "warning",
    "root-doubtful": "warning",
    "metrics-copied": "warning",
    "variance-doubtful": "warning",
    "status-doubtful": "warning",
    "missing-id": "warning",
    "out-of-order": "warning",
    "no-op-mutation": "warning",
    "identical-config": "warning",
    "rerun-of-other": "warning",
    "metric-impossible": "warning",
    "line-missing": "warning",
    "line-twice": "warning",
    "line-unreadable": "warning",
    "readings-differ": "warning",
    "score-metric-differs": "warning",
    "score-line-unreadable": "warning",
    "declared-duplicate": "note",
    "mutation-unreadable": "note",
    "status-unknown": "note",
    "status-rule-unknown": "note",
    "superlative-contradicted": "note",
    "scores-unjudged": "note",
    "line-absent": "note",
    "part-unreadable": "note",
    "lines-ignored": "note",
    "score-other-nodes": "note",
}


@dataclass(frozen=True)
class Finding:
    """One thing to look at. ``lines`` count from 1 and belong to the log (score codes: to the score file)."""

    code: str
    iteration: int | None
    lines: tuple[int, ...]
    found: str
    expected: str

    @property
    def severity(self) -> Severity:
        """How bad a finding of this code is."""
        return CODES[self.code]


def excerpt(text: str) -> str:
    """``text`` as one printable line of at most 120 characters."""
    line = one_line(text[: 4 * _LONGEST])
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def ranges(numbers: Iterable[int]) -> str:
    """Sorted distinct ``numbers`` as text, neighbours joined: `1-3, 7`."""
    spans: list[list[int]] = []
    for number in sorted(set(numbers)):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Worst first, then those of the whole log, then by entry."""
    return sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), f.iteration or 0, f.code, f.lines))
