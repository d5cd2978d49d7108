"""What a log leaves unsaid - batch size, block size, rule of a status - read off it or taken by default, with the
reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.audit.entry import Entry
from agent.audit.read import Document
from agent.audit.rules import Inferred, Limits, infer
from ucb.score import block_of

DEFAULT_PARALLEL, DEFAULT_BLOCK = 4, 12

# A setting and where it comes from.
Given = tuple[float, str]

# `### Batch 2 (iters 5-8)`, `## Block 4 Batch 2 Summary (Iters 33-36)`.
_BATCH = re.compile(r"#.{0,80}\bBatch [0-9]{1,6}\b[^(\n]{0,40}\(iters? ([0-9]{1,9}) ?[-–] ?([0-9]{1,9})", re.IGNORECASE)
# Other sizes that a log may have, tried in this order when the usual one does not fit.
_SIZES = (8, 10, 6, 5, 3, 2)
_BLOCK = re.compile(r"#+ *(?:Simulation )?Block ([0-9]{1,6})\b(?! *Summary| *,)", re.IGNORECASE)
_SUMMARY = re.compile(r"#+ *(?:Simulation )?Block ([0-9]{1,6}) Summary", re.IGNORECASE)


@dataclass(frozen=True)
class Assumptions:
    """Settings of an audit; ``why`` says for each where it comes from.

    ``batches_known``: the batch size was given or the log says it, so that what contradicts it is wrong.
    """

    n_parallel: int
    n_iter_block: int
    inferred: Inferred
    why: dict[str, str]
    batches_known: bool = True

    @property
    def limits(self) -> Limits:
        """The limits of the rule by which statuses are judged."""
        return self.inferred.rule.limits

    def batch(self, iteration: int) -> int:
        """Number of the batch of ``iteration``, from 1."""
        return (iteration - 1) // self.n_parallel + 1

    def block(self, iteration: int) -> int:
        """Number of the block of ``iteration``, from 1."""
        return block_of(iteration, self.n_iter_block, self.n_parallel).number

    def starts_block(self, iteration: int) -> bool:
        """Whether ``iteration`` is of a block's first batch, which may begin at root again."""
        first = (self.batch(iteration) - 1) * self.n_parallel + 1
        return block_of(first, self.n_iter_block, self.n_parallel).first == first


def assume(
    document: Document,
    entries: Sequence[Entry],
    given: Mapping[str, Given],
    score_block: int | None = None,
) -> Assumptions:
    """Settings as given, else as the log (or ``score_block``, the size in a score file's header) shows them."""
    parallel, why_parallel, known = _parallel(document, entries)
    block, why_block = _block(document, entries, score_block)
    if "n_parallel" in given:
        parallel, why_parallel, known = int(given["n_parallel"][0]), given["n_parallel"][1], True
    if "n_iter_block" in given:
        block, why_block = int(given["n_iter_block"][0]), given["n_iter_block"][1]
    inferred = infer(entries)
    why = {"n_parallel": why_parallel, "n_iter_block": why_block, "limits": inferred.why}
    return Assumptions(parallel, block, inferred, why, known)


def _parallel(document: Document, entries: Sequence[Entry]) -> tuple[int, str, bool]:
    """The batch size, why, and whether the log says it."""
    sizes = (int(m[2]) - int(m[1]) + 1 for heading in document.headings if (m := _BATCH.match(heading.text[:200])))
    if common := _most_common(size for size in sizes if 0 < size <= 64):
        return common, "from the log's batch headings", True
    if entries and 2 * sum(len(entry.slots) > 1 for entry in entries) > len(entries):
        return 1, "each entry holds the runs of one batch", True
    titled = any("parallel" in heading.text[:200].casefold() for heading in document.headings[:1])
    wrong, inside = _own_batch(entries, DEFAULT_PARALLEL)
    if titled and 2 * wrong <= inside:
        return DEFAULT_PARALLEL, "default for a log whose title says parallel", 10 * wrong <= max(10, inside)
    if not titled and _is_chain(entries):
        return 1, "each `Next:` names the parent of the very next entry", False
    if wrong <= inside // 5:
        return DEFAULT_PARALLEL, "default", False
    why = f"in batches of {DEFAULT_PARALLEL}, {wrong} of {inside} entries would have a parent of their own batch"
    for size in _SIZES:
        others = _own_batch(entries, size)
        if others[1] > 1 and not others[0]:
            return size, f"{why}, in batches of {size} none", False
    return 1, why, False


def _own_batch(entries: Sequence[Entry], size: int) -> tuple[int, int]:
    """Of the entries that do not begin a batch of ``size``: how many have a parent of their own batch, and all."""
    inside = [entry for entry in entries if entry.parent and (entry.iteration - 1) % size]
    wrong = sum((entry.parent or 0) >= entry.iteration - (entry.iteration - 1) % size for entry in inside)
    return wrong, len(inside)


def _is_chain(entries: Sequence[Entry]) -> bool:
    """Whether `Next:` nearly always names the parent of the very next entry, more often than of the fourth after.

    So it is where one entry is run at a time.
    """
    following = {entry.iteration: entry.next_parent for entry in entries if entry.next_parent}
    fits = {
        stride: [
            following[before] == entry.parent for entry in entries if (before := entry.iteration - stride) in following
        ]
        for stride in (1, DEFAULT_PARALLEL)
    }
    near, far = fits[1], fits[DEFAULT_PARALLEL]
    chained = len(near) > 2 and sum(near) >= 0.9 * len(near)
    return chained and (not far or sum(far) / len(far) < sum(near) / len(near))


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


def _most_common(sizes: Iterable[int]) -> int | None:
    counted = Counter(sizes).most_common(1)
    return counted[0][0] if counted else None
