"""The class of several runs against their connectivity_R2: by the rule that the log states, else by those of the
published instructions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agent.audit.classes import SHOWN, Class, read_status
from agent.audit.entry import Entry, metric_lines
from agent.audit.findings import Finding
from agent.audit.read import Document, Field
from agent.audit.slots import column
from agent.audit.values import canonical_metric
from state.metrics import REWARD

# Thresholds of the published instructions.
_KNOWN = (0.9, 0.7, 0.8, 0.85, 0.87, 0.88)
_CLASS = re.compile(r"\W{0,8}(stable[-_ ]robust|partially[-_ ]robust|robust|fragile|disqualified)\b", re.IGNORECASE)
_LIMIT = re.compile(r"(?:\b([A-Za-z][\w²]{1,39}) {0,2})?([<>≥≤]=?) {0,2}([0-9]\.[0-9]{1,6})(?![0-9%])")
_COUNT = re.compile(
    r"\b(all|any)\b|([0-9]{1,3}) {0,2}[-–] {0,2}([0-9]{1,3}) {0,2}(?:slots?|seeds?|of|>|/)"
    r"|≤ ?([0-9]{1,3}) {0,2}(?:slots?|seeds?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Criterion:
    """What a class asks: of n runs between ``least`` and ``most`` above ``limit`` (or, ``below``, below it).

    None for ``least`` or ``most`` stands for all n.
    """

    limit: float
    least: int | None
    most: int | None
    below: bool = False

    def met(self, values: Sequence[float], slack: float) -> bool:
        """Whether some rounding of ``values`` by up to ``slack`` meets it."""
        sign = -1.0 if self.below else 1.0
        surely = sum(sign * (value - self.limit) > slack + 1e-9 for value in values)
        maybe = sum(sign * (value - self.limit) >= -slack - 1e-9 for value in values)
        n = len(values)
        return maybe >= (n if self.least is None else self.least) and surely <= (n if self.most is None else self.most)

    def words(self) -> str:
        """As it is told: `all of the runs above 0.9`."""
        side = "below" if self.below else "above"
        count = "all" if self.least is None else f"{self.least} to {'all' if self.most is None else self.most}"
        return f"{count} of the runs {side} {self.limit:g}"


Criteria = dict[Class, Criterion]


def stated(document: Document) -> tuple[Criteria, int | None]:
    """The criteria that lines outside of the entries state for a class, and the first of those lines."""
    found: Criteria = {}
    first = None
    for row in (*document.prose, *document.headings):
        told = _criterion(row)
        if told is not None and told[0] not in found:
            found[told[0]] = told[1]
            first = first or row.line
    return found, first


def _criterion(row: Field) -> tuple[Class, Criterion] | None:
    """`- **Robust**: all 4 slots connectivity_R2 > 0.9`; an alternative (`or`) or another metric says nothing sure."""
    text = row.text[:300]
    name, limit, count = _CLASS.match(text), _LIMIT.search(text), _COUNT.search(text)
    if name is None or limit is None or count is None or re.search(r"\bor\b", text, re.IGNORECASE):
        return None
    metric = canonical_metric(limit[1]) if limit[1] else REWARD
    if metric != REWARD and metric.casefold() not in ("slots", "slot", "seeds", "seed", "all", "any"):
        return None
    kind = read_status(name[1])[1]
    below = limit[2][0] in "<≤"
    least, most = _counts(count)
    return None if kind is None else (kind, Criterion(float(limit[3]), least, most, below))


def _counts(match: re.Match[str]) -> tuple[int | None, int | None]:
    if match[1]:
        return (None, None) if match[1].casefold() == "all" else (1, None)
    return (0, int(match[4])) if match[4] else (int(match[2]), int(match[3]))


def by_threshold(limit: float, n: int) -> Criteria:
    """The criteria of the published instructions, for ``n`` runs and one threshold."""
    few = max(1, n // 4)
    return {
        "stable-robust": Criterion(limit, None, None),
        "robust": Criterion(limit, None, None),
        "partially robust": Criterion(limit, few + 1, n - 1),
        "fragile": Criterion(limit, 0, few),
    }


def check_stability(entries: Sequence[Entry], document: Document) -> Iterator[Finding]:
    """A class that the log's own rule excludes, or every known one; header and `Stability:` line that differ."""
    own, line = stated(document)
    chosen = [entry for entry in entries if entry.kind and len(column(entry.slots, REWARD)) > 1]
    if own:
        yield from _by(chosen, lambda entry: own, f"by the rule on line {line}")
    else:
        yield from _by_known(chosen)
    for entry in entries:
        yield from _two_words(entry, _words(entry, own))


def _by(entries: Sequence[Entry], criteria: Callable[[Entry], Criteria], why: str) -> Iterator[Finding]:
    for entry in entries:
        wanted = criteria(entry).get(entry.kind) if entry.kind else None
        if wanted is not None and not _met(entry, wanted) and not _contradicts_itself(entry):
            found = f"{_show(entry.kind)} with {_words(entry, {})}"
            expected = f"{wanted.words()} for {_show(entry.kind)}, {why}"
            yield Finding("status-contradicts", entry.iteration, (entry.line, *metric_lines(entry)), found, expected)


def _by_known(entries: Sequence[Entry]) -> Iterator[Finding]:
    """The threshold that fits most; an entry that none of the known ones allows is wrong, unless most are."""
    never = [entry for entry in entries if not any(_allowed(entry, limit) for limit in _KNOWN)]
    if len(entries) > 2 and 3 * len(never) > len(entries):
        found = f"the classes of {len(never)} of {len(entries)} entries fit no threshold known here"
        expected = "the rule of the classes in the log; they were not judged"
        yield Finding("status-rule-unknown", None, tuple(entry.line for entry in never), found, expected)
        return
    if never:
        best = max(_KNOWN, key=lambda limit: sum(_allowed(entry, limit) for entry in entries))
        why = f"and so with every threshold of the published instructions, {min(_KNOWN):g} to {max(_KNOWN):g}"
        yield from _by(never, lambda entry: by_threshold(best, len(entry.slots)), why)


def _allowed(entry: Entry, limit: float) -> bool:
    wanted = by_threshold(limit, len(entry.slots)).get(entry.kind) if entry.kind else None
    return wanted is None or _met(entry, wanted)


def _met(entry: Entry, wanted: Criterion) -> bool:
    slack = max((slot.rounding(REWARD) for slot in entry.slots), default=0.0)
    return wanted.met(column(entry.slots, REWARD), slack)


def _stability(entry: Entry) -> Class | None:
    return read_status(entry.fields["Stability"].text)[1] if "Stability" in entry.fields else None


def _contradicts_itself(entry: Entry) -> bool:
    told = _stability(entry)
    return told is not None and told != entry.kind


def _show(kind: Class | None) -> str:
    return SHOWN[kind] if kind else ""


def _words(entry: Entry, own: Criteria) -> str:
    limit = next(iter(own.values())).limit if own else _KNOWN[0]
    values = column(entry.slots, REWARD)
    above = sum(value > limit for value in values)
    return f"{above} of {len(values)} slots above {limit:g}" if values else "no slots"


def _two_words(entry: Entry, slots: str) -> Iterator[Finding]:
    if _contradicts_itself(entry):
        lines = (entry.line, *entry.lines("Stability"))
        header = _show(entry.kind) if entry.kind else entry.status or "no class"
        found = f"{header} in the header, {_show(_stability(entry))} in `Stability:`; {slots}"
        yield Finding("status-contradicts", entry.iteration, lines, found, "one class, in both places")
