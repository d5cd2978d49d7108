"""Numbers that the model states about measured things, held against what was measured. In doubt it says nothing.

A claim is a metric's name, a word such as `=` or `ended at`, and a number. It is about the iteration or config named
nearby in the same sentence, else about the entry's own iteration. Where a sentence speaks of parents, goals, limits
or differences, or names two things at once, nobody can tell what the number means, and it is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agent.ledger import Ledger
from state.records import SlotResult

NAMES = {
    "connectivity_R2": r"connectivity[_ ]R2|connectivity|conn[_ ]R2|conn",
    "tau_R2": r"tau[_ ]R2|tau",
    "V_rest_R2": r"V_?rest[_ ]R2|V_?rest",
    "cluster_accuracy": r"cluster[_ ]accuracy|cluster",
    "test_R2": r"test[_ ]R2",
    "test_pearson": r"test[_ ]pearson|pearson",
}
COLUMNS = {"connectivity_R2": "connectivity_r2", "tau_R2": "tau_r2", "V_rest_R2": "vrest_r2"}
_NAME = "|".join(f"(?P<{metric}>{words})" for metric, words in NAMES.items())
_NUMBER = r"(?P<number>[-+]?\d{1,9}(?:\.\d{1,12})?(?:[eE][-+]?\d{1,3})?)(?P<percent> ?%)?"
_WORD = r"(?P<final>ended at|ends at|final =|final)|(?P<peak>peaked at|peak =|peak of)|(?:=|≈|~|\bof\b|\bis\b|\bwas\b)"
_CLAIM = re.compile(rf"(?<![\w.])(?:{_NAME})\b ?(?:{_WORD}) ?{_NUMBER}(?![\w.]*\d)", re.IGNORECASE)
_CV = re.compile(rf"\bCV\((?:{_NAME})\) ?= ?{_NUMBER}", re.IGNORECASE)
_NODE = re.compile(r"\b(?:node|iter|iteration)s? ?#?(\d{1,9})\b", re.IGNORECASE)
_CONFIG = re.compile(r"\b(C\d{1,6})\b")
_VAGUE = re.compile(
    r"\b(?:parent|baseline|previous|earlier|goal|target|limit|threshold|best|worst|expected?|should|would|will|predicts?"
    r"|mean|average|median|std|range|from|between|above|below|over|under|than|least|most|gain|drop|change|versus|vs)\b"
    r"|[<>≥≤±]|\+-|\+/-|->|→",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?:;|\n|\.(?=\s|$))")
_CLAUSE = re.compile(r",(?= )|[()]| and | but | while ")


@dataclass(frozen=True)
class Claim:
    """A stated number: which metric, in what sense, of which iteration or config, and to how many digits."""

    metric: str
    kind: str
    subject: int | str
    stated: float
    tolerance: float
    text: str


def find_claims(text: str, own: int | None) -> Iterator[Claim]:
    """Claims in ``text``; ``own`` is the iteration that a sentence without another subject is about (None = none)."""
    for sentence in _SENTENCE.split(text):
        for match in _CLAIM.finditer(sentence):
            subject = _subject(sentence, match.start(), match.end(), own)
            if subject is not None:
                yield _claim(match, "final" if match["final"] else "peak" if match["peak"] else "value", subject)
        for match in _CV.finditer(sentence):
            configs = set(_CONFIG.findall(sentence))
            if len(configs) == 1:
                yield _claim(match, "CV", configs.pop())


def _claim(match: re.Match[str], kind: str, subject: int | str) -> Claim:
    metric = next(name for name in NAMES if match[name])
    number, scale = match["number"], 0.01 if match["percent"] else 1.0
    mantissa, _, exponent = number.lower().partition("e")
    digits = len(mantissa.partition(".")[2]) - int(exponent or 0)
    # One unit of the last digit: rounded and cut figures are both true.
    return Claim(metric, kind, subject, float(number) * scale, 10.0**-digits * scale * (1 + 1e-9), match[0].strip())


def _subject(sentence: str, start: int, end: int, own: int | None) -> int | None:
    """The iteration that the claim at ``start`` is about; None when that cannot be told."""
    cuts = [match.end() for match in _CLAUSE.finditer(sentence)]
    left = max((cut for cut in cuts if cut <= start), default=0)
    right = min((cut for cut in cuts if cut > end), default=len(sentence))
    before, clause = sentence[:start], sentence[left:start] + " " + sentence[end:right]
    if _VAGUE.search(clause) or _VAGUE.search(before) or _CONFIG.search(before + clause):
        return None
    near = {int(number) for number in _NODE.findall(clause)}
    if near:
        return near.pop() if len(near) == 1 else None
    named = _NODE.findall(before)
    return int(named[-1]) if named else own


def contradictions(text: str, own: int | None, ledger: Ledger) -> list[str]:
    """One sentence for each claim in ``text`` that the measurements contradict."""
    return [
        f"{claim.text!r} is about {_called(claim.subject)}, whose {_what(claim)} is {_told(measured)}"
        for claim in find_claims(text, own)
        if (measured := list(_measured(claim, ledger))) and not _holds(claim, measured)
    ]


def _holds(claim: Claim, measured: Iterable[float]) -> bool:
    return any(abs(claim.stated - value) <= claim.tolerance for value in measured)


def _measured(claim: Claim, ledger: Ledger) -> Iterator[float]:
    """Every measured number that the claim may mean; nothing when there is none to hold it against."""
    if isinstance(claim.subject, str):
        if claim.subject in ledger.views.table:
            spread = ledger.views.table[claim.subject].spreads.get(claim.metric)
            yield from [spread.cv] if spread is not None and spread.cv is not None else []
        return
    iteration = ledger.history.iterations.get(claim.subject)
    if iteration is not None and iteration.result is not None and iteration.result.failure is None:
        yield from _of_result(claim, iteration.result)


def _of_result(claim: Claim, result: SlotResult) -> Iterator[float]:
    column = COLUMNS.get(claim.metric)
    path = [getattr(point, column) for point in result.trajectory] if column else []
    known = [value for value in path if value is not None]
    value = result.metrics.get(claim.metric)
    if claim.kind == "peak":
        yield from [max(known)] if known else []
    elif claim.kind == "final":
        yield from [number for number in (value, known[-1] if known else None) if number is not None]
    else:
        # `conn=0.94` may be the metric or any point of the trajectory that the prompt or a picture shows.
        yield from [number for number in (value, *known) if number is not None]


def _called(subject: int | str) -> str:
    return f"iteration {subject}" if isinstance(subject, int) else f"config {subject}"


def _what(claim: Claim) -> str:
    return {"peak": f"{claim.metric} peak", "CV": f"CV({claim.metric})"}.get(claim.kind, claim.metric)


def _told(measured: list[float]) -> str:
    return f"{measured[0]:.4f}"
