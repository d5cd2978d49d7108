"""Findings: each rule fires on a log made wrong in one place, and on nothing else; sound logs stay silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.audit.audit import Audit, audit
from tests.agent.audit.logs import SCORES, SOUND, replaced
from tests.agent.conftest import play, write_campaign

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpus"


def told(result: Audit) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.iteration) for finding in result.findings]


def test_a_sound_log_has_no_findings_and_its_scores_are_reproduced() -> None:
    result = audit(SOUND.encode(), SCORES.encode())
    assert told(result) == []
    assert result.score_findings == []
    assert not result.failed
    assert [(e.iteration, e.status, e.parent, e.next_parent) for e in result.entries] == [
        (1, "partial", 0, 1),
        (2, "partial", 0, 1),
        (3, "converged", 1, 3),
        (4, "failed", 1, 2),
        (5, "partial", 3, 5),
        (6, "partial", 2, None),
    ]
    assert (result.assumed.n_parallel, result.assumed.n_iter_block, result.ucb_c) == (2, 4, 1.414)
    assert {c.reading: c.reproduced for c in result.comparisons} == {"node": 2, "next-slot": 2, "next-entry": 0}


MUTATION_4 = "Mutation: [code] learning_rate_W_start: 1E-3 -> 4E-3 AND recurrent_training: F -> T (keep L1=1E-5)"
CASES: dict[str, tuple[list[tuple[str, str]], list[tuple[str, int | None]]]] = {
    "duplicate header": ([("## Iter 6:", "## Iter 5:"), ("id=6,", "id=5,")], [("duplicate-id", 5)]),
    "duplicate node id": ([("id=6,", "id=5,")], [("duplicate-id", 6), ("header-node-differ", 6)]),
    "header and node": ([("id=6,", "id=9,")], [("header-node-differ", 6)]),
    "gap": ([("## Iter 6:", "## Iter 8:"), ("id=6,", "id=8,")], [("missing-id", None)]),
    "own parent": ([("id=4, parent=1", "id=4, parent=4")], [("parent-own", 4), ("readings-differ", None)]),
    "future parent": ([("id=4, parent=1", "id=4, parent=6")], [("parent-future", 4), ("readings-differ", None)]),
    "next slot": ([("Next: parent=3", "Next: parent=4")], [("next-id-plus-one", 3), ("readings-differ", None)]),
    "next future": ([("Next: parent=3", "Next: parent=6")], [("next-missing-node", 3), ("readings-differ", None)]),
    "child": (
        [("Mutation: batch_size: 8 -> 32", "Mutation: batch_size: 8 -> 64")],
        [("mutation-contradicts-child", 6)],
    ),
    "parent": ([("Mutation: seed: 7 -> 11", "Mutation: seed: 8 -> 11")], [("mutation-contradicts-parent", 5)]),
    "undeclared": ([(MUTATION_4, "Mutation: lr_W: 1E-3 -> 4E-3")], [("undeclared-change", 4)]),
    "undeclared by none": ([("Mutation: seed: 7 -> 11", "Mutation: [none]")], [("undeclared-change", 5)]),
    "no-op": ([("-> 32 + coeff_W_L1=1E-5", "-> 32; lr: 1E-4 -> 1E-4")], [("no-op-mutation", 6)]),
    "status": ([("Iter 3: converged", "Iter 3: failed")], [("status-contradicts", 3)]),
    "status under one rule": ([("R2=0.950", "R2=0.850"), ("R2=0.700", "R2=0.850")], [("status-doubtful", 5)]),
    "status without metric": ([("connectivity_R2=0.950", "connectivity_R2=nan")], [("status-contradicts", 3)]),
    "no status": ([("Iter 3: converged", "Iter 3: [tbd]")], [("status-unknown", 3)]),
    "impossible": ([("connectivity_R2=0.950", "connectivity_R2=9.5")], [("metric-impossible", 3)]),
    "no config": ([("Config: seed=11", "Konfig: seed=11")], [("line-missing", 5), ("lines-ignored", None)]),
    "second line": ([("Next: parent=5", "Next: parent=5\nNext: parent=3")], [("line-twice", 5)]),
    "node unreadable": ([("Node: id=5, parent=3", "Node: five")], [("line-unreadable", 5)]),
    "rerun of another": ([("Mutation: seed: 7 -> 11", "Mutation: rerun of node 2, seed=11")], [("rerun-of-other", 5)]),
    "prose": ([("Mutation: seed: 7 -> 11", "Mutation: a new seed for luck")], [("mutation-unreadable", 5)]),
    "not a number": ([("connectivity_R2=0.700", "connectivity_R2=good")], [("part-unreadable", 5)]),
    "declared duplicate": ([("Iter 6: partial", "Iter 6: partial (duplicate of iter 2)")], [("declared-duplicate", 6)]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_wrong_place_is_one_finding(case: str) -> None:
    pairs, expected = CASES[case]
    assert sorted(told(audit(replaced(*pairs))), key=str) == sorted(expected, key=str)


def test_findings_name_lines_and_what_would_be_right() -> None:
    data = replaced((MUTATION_4, "Mutation: lr_W: 1E-3 -> 4E-3"))
    (finding,) = audit(data).findings
    lines = data.decode().split("\n")
    assert [lines[number - 1].partition(":")[0] for number in finding.lines] == ["Config", "Config", "Mutation"]
    assert "recurrent: False -> True" in finding.found
    assert finding.severity == "error"
    assert finding.expected


def test_a_parent_of_the_same_batch_depends_on_the_batch_size() -> None:
    data = replaced(("id=4, parent=1", "id=4, parent=3"), ("Next: parent=1 (highest", "Next: parent=3 (highest"))
    codes = {code for code, _ in told(audit(data))}
    assert "parent-same-batch" in codes
    assert "parent-same-batch" not in {code for code, _ in told(audit(data, given={"n_parallel": (1, "as given")}))}


def test_missing_parents_are_told_from_those_before_an_extract() -> None:
    gap = audit(replaced(("## Iter 2:", "## Iter 7:"), ("id=2,", "id=7,")), given={"n_parallel": (2, "as given")})
    assert ("parent-missing", 6) in told(gap)
    extract = SOUND[SOUND.index("## Iter 5") :].encode()
    assert told(audit(extract, given={"n_parallel": (2, "as given")})) == [("missing-id", None)]


def test_disorder_is_a_warning() -> None:
    first, second = SOUND.index("## Iter 3"), SOUND.index("## Iter 4")
    end = SOUND.index("---\n\n## Block 1 Summary")
    swapped = SOUND[:first] + SOUND[second:end] + SOUND[first:second] + SOUND[end:]
    assert told(audit(swapped.encode())) == [("out-of-order", 3)]


def test_the_same_config_twice_in_a_block_is_told_unless_seeds_differ() -> None:
    again = "\n## Iter 7: partial\nNode: id=7, parent=2\n"
    again += "Config: seed=7, lr_W=2E-3, lr=1E-4, coeff_W_L1=1E-5, batch_size=32, recurrent=F\n"
    again += "Metrics: connectivity_R2=0.310\nMutation: batch_size: 8 -> 32\n"
    assert ("identical-config", 7) in told(audit((SOUND + again).encode()))
    other = again.replace("seed=7", "seed=8").replace("8 -> 32", "8 -> 32, seed: 7 -> 8")
    assert ("identical-config", 7) not in told(audit((SOUND + other).encode()))
    rerun = again.replace("batch_size: 8 -> 32", "[none], rerun")
    assert ("declared-duplicate", 7) in told(audit((SOUND + rerun).encode()))


def test_trees_differ_where_next_announces_another_parent() -> None:
    result = audit(replaced(("Next: parent=1 (highest", "Next: parent=2 (highest")))
    found = [(d.iteration, d.node, d.next) for d in result.differences if d.reading == "next-slot"]
    assert found == [(4, 1, 2)]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("UCB=1.700", "UCB=1.802", "score-differs"),
        ("parent=root, visits=1, R2=0.700", "parent=6, visits=1, R2=0.700", "score-differs"),
        ("visits=1, R2=0.300", "visits=2, R2=0.300", "score-differs"),
        ("R2=0.300", "R2=0.900", "score-differs"),
        ("N=2", "N=3", "score-differs"),
        ("Node 6:", "Node 7:", "score-other-nodes"),
        ("Node 6: UCB", "Nod 6: UCB", "score-line-unreadable"),
    ],
)
def test_a_stored_score_that_is_not_reproduced_is_told(old: str, new: str, code: str) -> None:
    assert old in SCORES
    result = audit(SOUND.encode(), SCORES.replace(old, new).encode())
    assert code in {finding.code for finding in result.score_findings}


def test_a_stored_metric_that_lost_its_sign_is_told() -> None:
    data = replaced(("Metrics: connectivity_R2=0.700", "Metrics: connectivity_R2=0.700, test_pearson=-0.100"))
    (finding,) = audit(data, SCORES.encode()).score_findings
    assert (finding.code, finding.iteration, finding.lines) == ("score-metric-differs", 5, (3,))


def test_a_log_of_nightfly_itself_contradicts_nothing(tmp_path: Path) -> None:
    play(write_campaign(tmp_path / "c.yaml"), tmp_path / "run", 8)
    log, scores = (tmp_path / "run" / name for name in ("analysis.md", "ucb_scores.txt"))
    result = audit(log.read_bytes(), scores.read_bytes())
    assert len(result.entries) == 32
    assert (result.findings, result.score_findings) == ([], [])
    assert not [d for d in result.differences if d.reading == "next-slot"]
    assert result.comparisons[0].reproduced == len(result.comparisons[0].scores) > 0


@pytest.mark.parametrize("outcome", ["failed", "cut"])
def test_a_run_without_a_final_value_needs_no_metrics(outcome: str) -> None:
    head, rest = SOUND.split("## Iter 4: failed", 1)
    before, metrics = rest.split("Metrics: ", 1)
    log = f"{head}## Iter 4: {outcome}{before}{metrics.partition(chr(10))[2]}"
    assert "line-missing" not in {code for code, _ in told(audit(log.encode()))}


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the logs of the predecessor are not here")
def test_the_predecessors_logs_are_read_and_their_scores_reproduced() -> None:
    name = "signal_chaotic_1_Claude"
    result = audit((CORPUS / f"{name}_analysis.md").read_bytes(), (CORPUS / f"{name}_ucb_scores.txt").read_bytes())
    assert len(result.entries) == 35
    assert [c.reproduced for c in result.comparisons] == [3, 3]
    errors = [key for key, finding in zip(told(result), result.findings, strict=True) if finding.severity == "error"]
    assert errors == [("status-contradicts", 25), ("undeclared-change", 30)]
    sparse = audit(
        (CORPUS / "signal_sparse_Claude_analysis.extract.md").read_bytes(),
        (CORPUS / "signal_sparse_Claude_ucb_scores.txt").read_bytes(),
    )
    assert len(sparse.entries) == 112
    assert {c.reproduced for c in sparse.comparisons} == {4}
    assert [i for code, i in told(sparse) if code == "header-node-differ"] == [65, 66, 67, 68]
