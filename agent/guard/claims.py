"""Numbers that the model states about measured things, held against what was measured. In doubt it says nothing.

A claim is a metric's name, a word such as `=` or `ended at`, and a number. It is about the iteration named nearby in
the same sentence, else about the entry's own; means and CVs are about the one config that the sentence names. Where a
sentence speaks of parents, goals, limits or differences, or names two things at once, nobody can tell what the number
means, and it is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from agent.ledger.ledger import Ledger
from state.added import FORMAT
from state.metrics import METRICS
from state.records import SlotResult
from ucb.variance import STANDARD, Run, spread, training_spread, values_of

REMEMBERED = 64
_RANGE = r" ?(?:to|\.\.|[-–—/]) ?\d"
_NUMBER = rf"(?P<number>[-+]?\d{{1,9}}(?:\.\d{{1,12}})?(?:[eE][-+]?\d{{1,3}})?)(?P<percent> ?%)?(?![\w.]*\d|{_RANGE})"
_IS = r"(?:=|:|≈|~|\bof\b|\bis\b|\bwas\b)"
_WORD = rf"(?P<final>ended at|ends at|final ?{_IS}|final)|(?P<peak>peaked at|peak ?{_IS}|peak)|{_IS}"
# `conn peak=0.95@joint final=0.94`, `conn peaked at 0.95 (joint phase), ended at 0.94`
_THEN = re.compile(rf"(?:@\w+| ?\([^()]{{0,40}}\))?,? (?:final ?{_IS}|ended at|ends at) ?{_NUMBER}", re.IGNORECASE)
_SPREAD = r"(?P<spread>mean|average|CV)"
_NODE = re.compile(r"\b(?:node|iter|iteration)s? ?#?(\d{1,9})\b", re.IGNORECASE)
_CONFIG = re.compile(rf"\b(C\d{{1,6}}|{STANDARD})\b")
_VAGUE = re.compile(
    r"\b(?:parent|baseline|previous|earlier|goal|target|limit|threshold|best|worst|expected?|should|would|will|predicts?"
    r"|mean|average|median|std|range|from|between|above|below|over|under|than|least|most|gain|drop|change|versus|vs|against"
    r"|higher|lower|more|less|better|worse|loss|lost|increased?|decreased?|delta|noise|error|margin|slope|slots?|others?"
    r"|standard|gold|usual|typical|defaults?)\b"
    r"|[<>≥≤±]|\+-|\+/-|->|→",
    re.IGNORECASE,
)
# A figure in such a sentence may be a point of the trajectory that the prompt or a picture shows.
_ON_THE_WAY = re.compile(
    r"\b(?:joint|phase|epoch|early|late|start|begin|first|then|after|before|until|while|when|once"
    r"|step|mid|half|trajector|curve|ris|rose|fell|fall|climb|reach)",
    re.IGNORECASE,
)
# The table holds means over all runs of one config; a mean over other runs cannot be checked against it.
_PART = re.compile(
    r"\b(?:parent|baseline|previous|goal|target|limit|expect|should|would|will|predict|without|exclud|success|other|than"
    r"|only|except|versus|vs|against)|[<>≥≤]|->|→",
    re.IGNORECASE,
)
# `0.99 on the data on which Node 1 ended at 0.83`: what follows names a node for its data, not for the figure.
_RELATIVE = re.compile(r"\b(?:on which|where|whose|as in|like)\b.*\b(?:node|iter|iteration)s? ?#?\d", re.IGNORECASE)
_DIGIT = re.compile(r"[0-9]")
_SENTENCE = re.compile(r"(?:;|\n|\.(?=\s|$))")
_CLAUSE = re.compile(r",(?= )|[()]| and | but | while ")


@dataclass(frozen=True)
class _Forms:
    """The forms of claims about the metrics of the table: about one iteration, and about the runs of a config."""

    claim: re.Pattern[str]
    of_config: tuple[re.Pattern[str], ...]


def _forms() -> _Forms:
    return _compiled(tuple((name, row.words) for name, row in METRICS.items() if row.words))


@lru_cache(maxsize=1)
def _compiled(words: tuple[tuple[str, str], ...]) -> _Forms:
    name = "|".join(f"(?P<{metric}>{ways})" for metric, ways in words)
    return _Forms(
        re.compile(rf"(?<![\w.])(?:{name})\b ?(?:{_WORD}) ?{_NUMBER}", re.IGNORECASE),
        (
            re.compile(rf"\b{_SPREAD}(?: of | ?\(| )(?:{name})\)? ?{_IS}? ?{_NUMBER}", re.IGNORECASE),
            re.compile(rf"(?<![\w.])(?:{name})\b {_SPREAD} ?{_IS}? ?{_NUMBER}", re.IGNORECASE),
        ),
    )


@dataclass(frozen=True)
class Claim:
    """A stated number: which metric, in what sense, of which iteration or config, and to how many digits."""

    metric: str
    kind: str
    subject: int | str
    stated: float
    tolerance: float
    text: str


def find_claims(text: str, own: int | None, format: int = FORMAT) -> Iterator[Claim]:
    """Claims in ``text``; ``own`` is the iteration that a sentence without another subject is about (None = none).

    In a run of the first ``format``, a node in a relative clause was taken for the subject.
    """
    for sentence in _SENTENCE.split(text):
        yield from _in_sentence(sentence, own, format > 1)


# The memory changes little from batch to batch, so the same text is looked at again and again.
@lru_cache(maxsize=2048)
def _in_sentence(sentence: str, own: int | None, relative: bool) -> tuple[Claim, ...]:
    if not _DIGIT.search(sentence):
        return ()
    return (*_of_iterations(sentence, own, relative), *_of_configs(sentence))


def _of_iterations(sentence: str, own: int | None, relative: bool) -> Iterator[Claim]:
    for match in _forms().claim.finditer(sentence):
        if relative and _RELATIVE.search(sentence, match.end()):
            continue
        subject, metric = _subject(sentence, match.start(), match.end(), own), _metric(match.groupdict())
        if subject is None or not _is_figure(metric, match):
            continue
        kind = "final" if match["final"] else "peak" if match["peak"] else "value"
        if kind == "value" and _ON_THE_WAY.search(sentence):
            kind = "path"
        yield _claim(metric, kind, subject, match.groupdict(), match[0])
        if kind == "peak" and (then := _THEN.match(sentence, match.end())):
            yield _claim(metric, "final", subject, then.groupdict(), f"{metric}{then[0]}")


def _of_configs(sentence: str) -> Iterator[Claim]:
    """Means and CVs, where one config is named and no part of its runs or another thing is spoken of."""
    configs = set(_CONFIG.findall(sentence))
    if len(configs) != 1 or _PART.search(sentence) or _NODE.search(sentence):
        return
    (config,) = configs
    for form in _forms().of_config:
        for match in form.finditer(sentence):
            kind = "CV" if match["spread"].upper() == "CV" else "mean"
            yield _claim(_metric(match.groupdict()), kind, config, match.groupdict(), match[0])


def _is_figure(metric: str, match: re.Match[str]) -> bool:
    """Not a count (`conn of 4 slots`) and not a difference (`conn: -0.02`)."""
    number = match["number"]
    signed = number[0] in "+-" and not METRICS[metric].signed
    return not signed and ("." in number or match["percent"] is not None)


def _metric(groups: Mapping[str, str | None]) -> str:
    return next(name for name in METRICS if groups.get(name))


def _claim(metric: str, kind: str, subject: int | str, groups: Mapping[str, str | None], text: str) -> Claim:
    number, scale = groups["number"] or "", 0.01 if groups.get("percent") else 1.0
    mantissa, _, exponent = number.lower().partition("e")
    digits = len(mantissa.partition(".")[2]) - int(exponent or 0)
    # Off by at most one unit of the last digit: 0.957 may be written as 0.96 (rounded) or as 0.95 (cut off).
    return Claim(metric, kind, subject, float(number) * scale, 10.0**-digits * scale * (1 + 1e-9), text.strip())


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
        for claim in find_claims(text, own, ledger.campaign.format)
        if (measured := list(_measured(claim, ledger))) and not _holds(claim, measured)
    ]


def _holds(claim: Claim, measured: Iterable[float]) -> bool:
    return any(abs(claim.stated - value) <= claim.tolerance for value in measured)


def _measured(claim: Claim, ledger: Ledger) -> Iterator[float]:
    """Every measured number that the claim may mean; nothing when there is none to hold it against."""
    if isinstance(claim.subject, str):
        yield from _of_runs(claim, ledger.views.table_of(claim.subject)[claim.subject].runs)
        return
    iteration = ledger.history.iterations.get(claim.subject)
    if iteration is not None and iteration.result is not None and iteration.result.failure is None:
        yield from _of_result(claim, iteration.result, ledger.views.courses[claim.subject].get(claim.metric, ()))


def _of_runs(claim: Claim, runs: Sequence[Run]) -> Iterator[float]:
    """The mean or CV of a config now, on the same data alone, and as it stood after each of its latest runs.

    The memory may keep what was true some batches ago; that is old, not false.
    """
    spreads = [spread(values_of(runs[: len(runs) - back], claim.metric)) for back in range(min(len(runs), REMEMBERED))]
    spreads.append(training_spread(runs, claim.metric))
    for one in spreads:
        value = one.mean if claim.kind == "mean" else one.cv
        if value is not None:
            yield value


def _of_result(claim: Claim, result: SlotResult, known: Sequence[float]) -> Iterator[float]:
    """``known``: the metric's values along the training."""
    value = result.metrics.get(claim.metric)
    if claim.kind == "peak":
        yield from [max(known)] if known else []
    elif claim.kind == "path":
        yield from [number for number in (value, *known) if number is not None]
    else:
        yield from [number for number in (value, known[-1] if known else None) if number is not None]


def _called(subject: int | str) -> str:
    return f"iteration {subject}" if isinstance(subject, int) else f"config {subject}"


def _what(claim: Claim) -> str:
    words = {"peak": f"{claim.metric} peak", "CV": f"CV({claim.metric})", "mean": f"mean {claim.metric}"}
    return words.get(claim.kind, claim.metric)


def _told(measured: list[float]) -> str:
    return f"{measured[0]:.4f}"
