"""What a log leaves unsaid - batch size, block size, limits of a status - read off it or taken by default, with the
reason. Knows no findings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.audit.entry import Entry
from agent.audit.read import Document
from state.thresholds import Thresholds

DEFAULT_PARALLEL, DEFAULT_BLOCK = 4, 12

# A setting and where it comes from.
Given = tuple[float, str]

_BATCH = re.compile(r"#+ *Batch [0-9]{1,6}\b[^(\n]{0,40}\(iters? ([0-9]{1,9}) ?[-–] ?([0-9]{1,9})", re.IGNORECASE)
_BLOCK = re.compile(r"#+ *(?:Simulation )?Block ([0-9]{1,6})\b(?! *Summary| *,)", re.IGNORECASE)
_SUMMARY = re.compile(r"#+ *(?:Simulation )?Block ([0-9]{1,6}) Summary", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """connectivity_R2 above ``converged`` is converged, below ``failed`` failed, between them partial."""

    converged: float
    failed: float

    def statuses(self, value: float, slack: float) -> set[str]:
        """The statuses that ``value`` allows, when it may be off by ``slack`` (rounding)."""
        allowed = set()
        if value + slack >= self.converged:
            allowed.add("converged")
        if value - slack <= self.failed:
            allowed.add("failed")
        if self.failed <= value + slack and value - slack <= self.converged:
            allowed.add("partial")
        return allowed


# nightfly's own, and those of the predecessor's instructions.
OWN_LIMITS = Limits(Thresholds().converged, Thresholds().partial)
LIMITS = (OWN_LIMITS, Limits(0.9, 0.1))


@dataclass(frozen=True)
class Assumptions:
    """Settings of an audit; ``why`` says for each where it comes from."""

    n_parallel: int
    n_iter_block: int
    limits: Limits
    why: dict[str, str]

    def batch(self, iteration: int) -> int:
        """Number of the batch of ``iteration``, from 0."""
        return (iteration - 1) // self.n_parallel

    def block(self, iteration: int) -> int:
        """Number of the block of ``iteration``, from 0."""
        return (iteration - 1) // self.n_iter_block


def assume(
    document: Document,
    entries: Sequence[Entry],
    given: Mapping[str, Given],
    score_block: int | None = None,
) -> Assumptions:
    """Settings as given, else as the log (or ``score_block``, the size in a score file's header) shows them."""
    parallel, why_parallel = _parallel(document, entries)
    block, why_block = _block(document, entries, score_block)
    if "n_parallel" in given:
        parallel, why_parallel = int(given["n_parallel"][0]), given["n_parallel"][1]
    if "n_iter_block" in given:
        block, why_block = int(given["n_iter_block"][0]), given["n_iter_block"][1]
    limits, why_limits = _limits(entries)
    why = {"n_parallel": why_parallel, "n_iter_block": why_block, "limits": why_limits}
    return Assumptions(parallel, block, limits, why)


def _parallel(document: Document, entries: Sequence[Entry]) -> tuple[int, str]:
    sizes = (int(m[2]) - int(m[1]) + 1 for heading in document.headings if (m := _BATCH.match(heading.text[:200])))
    if common := _most_common(size for size in sizes if 0 < size <= 64):
        return common, "from the log's batch headings"
    if any("parallel" in heading.text[:200].casefold() for heading in document.headings[:1]):
        return DEFAULT_PARALLEL, "default for a log whose title says parallel"
    why = "default"
    for size in (DEFAULT_PARALLEL, 2):
        inside = [entry for entry in entries if entry.parent and (entry.iteration - 1) % size]
        wrong = sum(1 for entry in inside if (entry.parent or 0) >= entry.iteration - (entry.iteration - 1) % size)
        if len(inside) < 2 or 2 * wrong <= len(inside):
            return size, why
        why = f"in batches of {size}, {wrong} of {len(inside)} entries would have a parent of their own batch"
    return 1, why


def _block(document: Document, entries: Sequence[Entry], score_block: int | None) -> tuple[int, str]:
    if score_block:
        return score_block, "from the score file's header"
    if common := _most_common(_block_sizes(document, entries)):
        return common, "from the log's block headings"
    return DEFAULT_BLOCK, "default"


def _block_sizes(document: Document, entries: Sequence[Entry]) -> Iterable[int]:
    """A heading of block k > 1 comes before entry (k - 1) size + 1, the summary of block k after entry k size."""
    marks = [(heading.line, heading.text[:200]) for heading in document.headings]
    at = 0
    for line, text in marks:
        while at < len(entries) and entries[at].line < line:
            at += 1
        if (match := _SUMMARY.match(text)) and at:
            size, rest = divmod(max(e.iteration for e in entries[max(0, at - 4) : at]), max(1, int(match[1])))
        elif (match := _BLOCK.match(text)) and int(match[1]) > 1 and at < len(entries):
            size, rest = divmod(min(e.iteration for e in entries[at : at + 4]) - 1, int(match[1]) - 1)
        else:
            continue
        if size and not rest:
            yield size


def _limits(entries: Sequence[Entry]) -> tuple[Limits, str]:
    """The limits that contradict the fewest statuses; nightfly's own when equal."""
    told = [entry for entry in entries if entry.status and entry.metrics.get("connectivity_R2") is not None]
    wrong = {limits: sum(not fits(entry, limits) for entry in told) for limits in LIMITS}
    best = min(LIMITS, key=lambda limits: wrong[limits])
    others = ", ".join(f"{wrong[limits]} with {limits.converged:g}/{limits.failed:g}" for limits in LIMITS)
    return best, f"of {len(told)} statuses with a connectivity_R2 these contradict it: {others}"


def fits(entry: Entry, limits: Limits) -> bool:
    """Whether the status of ``entry`` is one its connectivity_R2 allows; a failed slot may have any metrics."""
    value = entry.metrics.get("connectivity_R2")
    if value is None:
        return entry.status != "converged"
    if entry.status == "failed" and "Failure" in entry.fields:
        return True
    return entry.status in limits.statuses(value, rounding(entry, "connectivity_R2"))


def rounding(entry: Entry, metric: str) -> float:
    """Half a unit of the last decimal that the log gives of ``metric``; 0 for whole numbers."""
    decimals = entry.decimals.get(metric, 0)
    return 0.5 * 10.0**-decimals if decimals else 0.0


def _most_common(sizes: Iterable[int]) -> int | None:
    counted = Counter(sizes).most_common(1)
    return counted[0][0] if counted else None
