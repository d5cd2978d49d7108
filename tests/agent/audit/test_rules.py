"""The rule of a log's statuses, read off it."""

from __future__ import annotations

import pytest

from agent.audit.audit import audit


def log(rows: list[tuple[str, str]]) -> bytes:
    parts = ["# Experiment Log: made up (parallel)", ""]
    for number, (status, metrics) in enumerate(rows, 1):
        parts += [f"## Iter {number}: {status}", f"Node: id={number}, parent=root", f"Config: lr_W={number}E-3"]
        parts += [f"Metrics: {metrics}", "Mutation: baseline", "Next: parent=root", ""]
    return "\n".join(parts).encode()


def test_a_rule_over_two_metrics_is_inferred_and_its_breach_found() -> None:
    rows = [("partial", f"connectivity_R2=0.9{n}, field_R2=0.4{n}") for n in range(8)]
    rows.append(("converged", "connectivity_R2=0.95, field_R2=0.85"))
    result = audit(log([*rows, ("converged", "connectivity_R2=0.95, field_R2=0.45")]))
    assert result.assumed.inferred.rule.metrics == ("connectivity_R2", "field_R2")
    assert "9 of 10 statuses" in result.assumed.why["limits"]
    assert [(f.code, f.iteration) for f in result.findings] == [("status-contradicts", 10)]


def test_one_metric_is_enough_where_it_explains_as_much() -> None:
    rows = [("converged", "connectivity_R2=0.95, field_R2=0.95"), ("partial", "connectivity_R2=0.5, field_R2=0.5")]
    assert audit(log(rows * 4)).assumed.inferred.rule.metrics == ("connectivity_R2",)


def test_another_reward_is_inferred() -> None:
    rows = [("failed", f"rate_constants_R2=0.0{n}, test_R2=-300.5, slope=0.9{n}") for n in range(1, 7)]
    result = audit(log([*rows, ("partial", "rate_constants_R2=0.54, test_R2=-3.1, slope=0.9")]))
    assert result.reward == "rate_constants_R2"
    assert [f.code for f in result.findings if f.severity == "error"] == []
    best = result.comparisons[0].scores[0]
    assert (best.node, best.connectivity_R2) == (7, 0.54)


@pytest.mark.parametrize("metric", ["connectivity_R2", "avg_slope_R2"])
def test_a_rule_that_is_not_known_is_told_once_and_nothing_is_judged_by_it(metric: str) -> None:
    rows = [("failed", f"{metric}=0.9{n}") for n in range(5)] + [("converged", f"{metric}=0.1{n}") for n in range(5)]
    data = log(rows)
    result = audit(data)
    assert [f.code for f in result.findings] == ["status-rule-unknown"]
    assert result.reward == (metric if metric == "connectivity_R2" else None)
    scores = b"=== UCB Scores (block 1, iters 1-12, N=1, c=1) ===\n\nNode 1: UCB=7.5, parent=root, visits=1, R2=7.1\n"
    assert [f.code for f in audit(data, scores).score_findings] == ["scores-unjudged"]
    assert not audit(data, scores).failed


def test_statuses_in_other_words_are_told_once() -> None:
    rows = [(word, f"final_r2=0.9{n}") for n, word in enumerate(("poor", "good", "excellent", "good"))]
    assert [f.code for f in audit(log(rows)).findings] == ["status-unknown"]


def test_without_a_metric_nothing_is_checked() -> None:
    result = audit(log([("converged", "the screen went dark")]))
    assert (result.checkable, result.failed, result.reward, result.comparisons[0].scores) == (False, True, None, ())
