"""Entries of several runs: read as such, their class held against the slots and against the rule of the log."""

from __future__ import annotations

import pytest

from agent.audit.audit import Audit, audit
from tests.agent.audit.newest import VALUES, entry


def run(*entries: str, before: str = "# Analysis: made up\n\n") -> Audit:
    return audit((before + "".join(entries)).encode())


def codes(result: Audit) -> list[str]:
    return [finding.code for finding in result.findings]


@pytest.mark.parametrize("metric", ["connectivity_R2", "conn_R2"])
def test_four_runs_of_one_config_are_read_as_such(metric: str) -> None:
    result = run(entry(metric=metric, stability="Robust"))
    (read,) = result.entries
    assert codes(result) == []
    assert [slot.metrics["connectivity_R2"] for slot in read.slots] == list(VALUES)
    assert [slot.metrics["onestep_pearson"] for slot in read.slots] == [0.90, 0.91, 0.92, 0.93]
    assert read.metrics["connectivity_R2"] == pytest.approx(0.94)
    assert (read.kind, read.outcome, read.config["lr_W"]) == ("robust", "converged", 6e-4)
    assert (result.assumed.n_parallel, result.reward) == (1, "connectivity_R2")


@pytest.mark.parametrize(
    ("header", "values", "wrong"),
    [
        ("Stable-Robust", (0.95, 0.95, 0.95, 0.95), False),
        ("Fragile [made up]", (0.95, 0.95, 0.95, 0.95), True),
        ("Robust", (0.95, 0.4, 0.95, 0.95), True),
        ("robust", (0.8, 0.8, 0.8, 0.8), False),
        ("Partially robust", (0.95, 0.4, 0.95, 0.95), False),
        ("partially_robust", (0.95, 0.96, 0.97, 0.95), True),
        ("DISQUALIFIED (a collapse)", (0.95, 0.1, 0.95, 0.95), False),
        ("FRAGILE", (0.85,), False),
    ],
)
def test_a_class_that_no_known_threshold_allows(header: str, values: tuple[float, ...], wrong: bool) -> None:
    assert codes(run(entry(header=header, values=values, stats=""))) == (["status-contradicts"] if wrong else [])


RULES = """# Analysis: made up

- **Stable-Robust**: all 4 slots connectivity_R2 > 0.95 AND CV < 3%
- **Partially robust**: 2-3 slots connectivity_R2 > 0.95
- **Fragile**: 0-1 slots connectivity_R2 > 0.95
- **DISQUALIFIED**: any slot connectivity_R2 < 0.87

"""


@pytest.mark.parametrize(
    ("header", "values", "wrong"),
    [
        ("Fragile", VALUES, False),
        ("Stable-Robust", VALUES, True),
        ("Stable-Robust", (0.97, 0.98, 0.96, 0.97), False),
        ("DISQUALIFIED", VALUES, True),
        ("DISQUALIFIED", (0.8, 0.9, 0.9, 0.9), False),
        ("Partially robust", (0.96, 0.96, 0.1, 0.1), False),
        ("Partially robust", (0.96, 0.1, 0.1, 0.1), True),
    ],
)
def test_the_rule_that_the_log_states_comes_first(header: str, values: tuple[float, ...], wrong: bool) -> None:
    result = run(entry(header=header, values=values, stats=""), before=RULES)
    assert codes(result) == (["status-contradicts"] if wrong else [])
    if wrong:
        assert "line 3" in result.findings[0].expected


def test_a_rule_with_an_alternative_or_another_metric_judges_nothing() -> None:
    before = "# Analysis\n- **Fragile**: 0-1 slots tau_R2 > 0.5\n- Robust: all slots > 0.99 OR mean > 0.5\n\n"
    assert codes(run(entry(header="Robust", stats=""), before=before)) == []


def test_header_and_stability_line_must_agree() -> None:
    result = run(entry(header="Robust", stability="Partially robust - one run more"))
    assert codes(result) == ["status-contradicts"]
    assert "Partially robust in `Stability:`" in result.findings[0].found


def test_classes_by_a_rule_of_their_own_are_told_once() -> None:
    odd = [entry(n, "Fragile", (0.95, 0.95, 0.95, 0.95), "") for n in range(1, 6)]
    result = run(*odd)
    assert [code for code in codes(result) if code.startswith("status")] == ["status-rule-unknown"]


def test_an_entry_of_one_slot_and_a_table_of_metrics_are_read() -> None:
    rows = "## Iter 7: Block 2 slot 0\n\n**Config**: lr_W=1e-3\n\n| Metric | Value |\n|---|---|\n| conn_R2 | 0.25 |\n"
    (read,) = run(rows).entries
    assert (read.metrics, read.config) == ({"connectivity_R2": 0.25}, {"lr_W": 1e-3})
