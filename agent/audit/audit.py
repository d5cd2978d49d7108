"""One audit from bytes to findings: read, assume, check, rebuild, recompute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.audit.announced import settle_changes
from agent.audit.assume import Assumptions, Given, assume
from agent.audit.changes import check_mutations, check_repeats
from agent.audit.copied import check_copies
from agent.audit.entry import Entry, read_entry
from agent.audit.findings import Finding, in_order
from agent.audit.ids import check_ids, check_next, check_parents, check_presence
from agent.audit.metrics import check_metrics
from agent.audit.origins import check_origins
from agent.audit.read import Document, read_document
from agent.audit.reward import find_reward, unjudged
from agent.audit.scores import (
    Comparison,
    ScoreFile,
    block_to_score,
    read_scores,
    recompute,
)
from agent.audit.stability import check_stability
from agent.audit.statistics import check_seed_stats, check_variance_updates
from agent.audit.superlatives import check_superlatives
from agent.audit.trees import READINGS, Difference, check_readings, differences
from state.search import SearchConfig
from ucb.score import Block


@dataclass(frozen=True)
class Audit:
    """Everything an audit found. ``comparisons`` hold the block's scores, the reading that fits the file best first."""

    bytes: int
    lines: int
    entries: list[Entry]
    findings: list[Finding]
    score_findings: list[Finding]
    assumed: Assumptions
    ucb_c: float
    why_c: str
    differences: list[Difference]
    block: Block
    comparisons: list[Comparison]
    score_file: ScoreFile | None
    reward: str | None

    @property
    def checkable(self) -> bool:
        """Whether any metric was read; without one nothing that matters could be checked."""
        return any(entry.metrics for entry in self.entries)

    @property
    def failed(self) -> bool:
        """Whether there is a finding that is an error, or nothing could be checked."""
        return not self.checkable or any(
            finding.severity == "error" for finding in (*self.findings, *self.score_findings)
        )


def audit(
    log: bytes,
    scores: bytes | None = None,
    given: Mapping[str, Given] | None = None,
) -> Audit:
    """Audit a log of any content.

    ``given`` may hold n_parallel, n_iter_block and ucb_c; what it lacks is read off the log (or the score file) or
    taken by default.
    """
    given = given or {}
    document = read_document(log)
    findings = list(document.findings)
    entries: list[Entry] = []
    for section in document.sections:
        entry, unread = read_entry(section)
        entries.append(entry)
        findings += unread
    settle_changes(entries)
    file = None if scores is None else read_scores(scores)
    size = file.last - file.first + 1 if file and file.first is not None and file.last is not None else None
    assumed = assume(document, entries, given, size if size and size > 0 else None)
    unlike = differences(entries, assumed)
    findings += _check(entries, document, assumed)
    findings += check_readings(unlike, len(entries), assumed)
    c, why_c = _constant(given.get("ucb_c"), file)
    reward = find_reward(entries, file, assumed.inferred)
    findings += check_superlatives(entries, assumed, reward)
    comparisons = _compare(entries, file, assumed, c, reward)
    score_findings = _against_file(comparisons[0], file, assumed, reward) if file else []
    return Audit(
        bytes=len(log),
        lines=document.lines,
        entries=entries,
        findings=in_order(findings),
        score_findings=in_order(score_findings),
        assumed=assumed,
        ucb_c=c,
        why_c=why_c,
        differences=unlike,
        block=block_to_score(entries, file, assumed),
        comparisons=comparisons,
        score_file=file,
        reward=reward,
    )


def _against_file(best: Comparison, file: ScoreFile, assumed: Assumptions, reward: str | None) -> list[Finding]:
    return [*file.findings, *(unjudged(best, file, assumed.inferred, reward) or best.unlike)]


def _check(entries: Sequence[Entry], document: Document, assumed: Assumptions) -> list[Finding]:
    return [
        *check_ids(entries),
        *check_parents(entries, assumed),
        *check_next(entries, assumed),
        *check_presence(entries, assumed),
        *check_mutations(entries),
        *check_repeats(entries, assumed),
        *check_origins(entries, assumed),
        *check_metrics(entries, assumed),
        *check_stability(entries, document),
        *check_copies(entries),
        *check_seed_stats(entries),
        *check_variance_updates(entries, assumed),
    ]


def _constant(given: Given | None, file: ScoreFile | None) -> Given:
    if given is not None:
        return given
    if file is not None and file.c is not None:
        return file.c, "from the score file's header"
    default: float = SearchConfig.model_fields["ucb_c"].default
    return default, "default"


def _compare(
    entries: Sequence[Entry], file: ScoreFile | None, assumed: Assumptions, c: float, reward: str | None
) -> list[Comparison]:
    """One comparison a reading, sorted by the nodes reproduced; a stable sort keeps `node` first among equals."""
    readings = READINGS if assumed.n_parallel > 1 else ("node", "next-entry")
    comparisons = [recompute(entries, reading, file, assumed, c, reward) for reading in readings]
    return sorted(comparisons, key=lambda comparison: -comparison.reproduced)
