"""Scores recomputed from a log and compared with a stored score file, which is read tolerantly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from agent.audit.assume import Assumptions
from agent.audit.entry import ROOT, Entry, read_id
from agent.audit.findings import Finding, excerpt
from agent.audit.rules import rounding
from agent.audit.trees import Reading, parents_of, tree_nodes
from agent.audit.values import read_number, read_pairs
from state.metrics import REWARD
from state.records import COMPARED_ROLES
from ucb.score import Block, Formula, Score, block_of, score_block

_NODE = re.compile(r"Node ([0-9]{1,9}):")
_ITERS = re.compile(r"iters? ([0-9]{1,9}) ?[-–] ?([0-9]{1,9})")
_METRICS = {"R2": REWARD, "Pearson": "test_pearson", "Cluster": "cluster_accuracy"}
HALF_SHOWN = 0.0005 + 1e-9


@dataclass(frozen=True)
class Stored:
    """One line of a score file; what it does not give is None, parent 0 the root."""

    node: int
    line: int
    ucb: float | None
    parent: int | None
    visits: int | None
    metrics: dict[str, float | None]


@dataclass
class ScoreFile:
    """A score file: what its header says of itself, its nodes, and what could not be read."""

    first: int | None = None
    last: int | None = None
    n: int | None = None
    c: float | None = None
    formula: Formula = "puct"
    of_means: bool = False
    stored: list[Stored] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@dataclass
class Comparison:
    """Scores of one block under one reading. ``unlike``: nodes of the file that it does not reproduce."""

    reading: Reading
    scores: tuple[Score, ...]
    unlike: list[Finding] = field(default_factory=list)
    reproduced: int = 0


def read_scores(data: bytes) -> ScoreFile:
    """Read a score file of this program or its predecessor; lines that cannot be read are findings."""
    file = ScoreFile()
    for number, row in enumerate(data.decode("utf-8-sig", errors="replace").split("\n"), 1):
        row = row[:2000].strip()
        if row.startswith("==="):
            _read_header(file, row)
        elif match := _NODE.match(row):
            file.stored.append(_read_stored(int(match[1]), number, row))
        elif row:
            found, expected = f"`{excerpt(row)}`", "`Node N: UCB=..., parent=..., visits=..., R2=...`"
            file.findings.append(Finding("score-line-unreadable", None, (number,), found, expected))
    return file


def _read_header(file: ScoreFile, row: str) -> None:
    pairs = read_pairs(row.replace("(", " ").replace(")", " "))
    if match := _ITERS.search(row):
        file.first, file.last = int(match[1]), int(match[2])
    number = read_number(pairs.get("N") or pairs.get("N_total") or "")
    file.n = int(number) if number is not None else None
    file.c = read_number(pairs.get("c", ""))
    file.formula = "ucb1" if ", ucb1" in row else "puct"
    file.of_means = ", config_mean)" in row


def _read_stored(node: int, line: int, row: str) -> Stored:
    pairs = read_pairs(row.partition("Mutation=")[0])
    visits = read_number(pairs.get("visits", ""))
    metrics = {name: read_number(pairs[short]) for short, name in _METRICS.items() if short in pairs}
    ucb, parent = read_number(pairs.get("UCB", "")), read_id(pairs.get("parent"))
    return Stored(node, line, ucb, parent, None if visits is None else int(visits), metrics)


def block_to_score(entries: Sequence[Entry], file: ScoreFile | None, assumed: Assumptions) -> Block:
    """The block that the file names or, without one, that of the log's last entry; blocks count from 1."""
    newest = max((entry.id for entry in entries), default=1)
    if file is not None and file.first is not None and file.last is not None:
        return Block((file.first - 1) // max(1, file.last - file.first + 1) + 1, file.first, file.last)
    if file is not None and file.stored:
        return Block(1, 1, max(newest, *(stored.node for stored in file.stored)))
    return block_of(newest, assumed.n_iter_block, assumed.n_parallel)


def recompute(
    entries: Sequence[Entry],
    reading: Reading,
    file: ScoreFile | None,
    assumed: Assumptions,
    c: float,
    reward: str | None = REWARD,
) -> Comparison:
    """Scores of the block (PUCT unless ``file`` names another formula), compared with ``file``.

    Nodes later than the last of ``file`` are left out: they were yet to come when it was written. Without a ``reward``
    there are no scores.
    """
    if reward is None:
        return Comparison(reading, ())
    block = block_to_score(entries, file, assumed)
    ranked = [entry for entry in entries if not _is_for_comparison(entry)]
    nodes = tree_nodes(ranked, parents_of(entries, reading, assumed), reward)
    if file is not None and file.stored:
        last = max(stored.node for stored in file.stored)
        nodes = [node for node in nodes if node.id <= last]
    scores = score_block(nodes, block, c, file.formula if file else "puct").scores
    comparison = Comparison(reading, scores)
    if file is not None:
        by_id = {score.node: score for score in scores}
        latest = {entry.id: entry for entry in entries}
        for stored in file.stored:
            unlike = list(_unlike(stored, by_id.get(stored.node), latest.get(stored.node), reward))
            comparison.unlike += unlike
            comparison.reproduced += not any(finding.severity == "error" for finding in unlike)
        comparison.unlike += _not_stored(file, scores)
    return comparison


def _is_for_comparison(entry: Entry) -> bool:
    """Whether it is a run of standard training or of a control arm, which has no score."""
    role = entry.fields["Mode/Strategy"].text.strip() if "Mode/Strategy" in entry.fields else ""
    return role in COMPARED_ROLES


def _unlike(stored: Stored, score: Score | None, entry: Entry | None, reward: str) -> Iterator[Finding]:
    if score is None or entry is None:
        found = f"node {stored.node}, which the block of the log does not hold"
        yield Finding("score-other-nodes", stored.node, (stored.line,), found, "the nodes of the log")
        return
    slack = HALF_SHOWN + rounding(entry, reward)
    pairs = [
        ("UCB", stored.ucb, score.ucb, slack),
        ("visits", stored.visits, score.visits, 0.0),
        ("R2", stored.metrics.get(REWARD), score.connectivity_R2 or 0.0, slack),
    ]
    wrong = [
        (f"{name}={was:g}", f"{name}={now:.4g}")
        for name, was, now, slack in pairs
        if was is not None and abs(was - now) > slack
    ]
    if stored.parent is not None and stored.parent != (score.parent or ROOT):
        wrong.append((f"parent={stored.parent or 'root'}", f"parent={score.parent or 'root'}"))
    if wrong:
        found, expected = (", ".join(side) for side in zip(*wrong, strict=True))
        yield Finding("score-differs", stored.node, (stored.line,), f"node {stored.node}: {found}", expected)
    for name in ("test_pearson", "cluster_accuracy"):
        was, now = stored.metrics.get(name), entry.metrics.get(name)
        if was is not None and now is not None and abs(was - now) > HALF_SHOWN + rounding(entry, name):
            found, expected = f"node {stored.node}: {name} {was:g}", f"{now:g}, as the log says"
            yield Finding("score-metric-differs", stored.node, (stored.line,), found, expected)


def _not_stored(file: ScoreFile, scores: Sequence[Score]) -> Iterator[Finding]:
    known = {stored.node for stored in file.stored}
    missing = sorted(score.node for score in scores if score.node not in known)
    if missing:
        told = ", ".join(map(str, missing[:20]))
        yield Finding("score-other-nodes", None, (1,), f"no score of {told}", "a line for every node of the block")
    if file.n is not None and file.n != len(file.stored):
        found = f"N={file.n} in the header over {len(file.stored)} nodes"
        yield Finding("score-differs", None, (1,), found, f"N={len(file.stored)}")
