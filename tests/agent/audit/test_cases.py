"""Small inputs that once failed, each with what is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.audit.audit import Audit, audit

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")


def case(number: str) -> Audit:
    (path,) = CASES.glob(f"{number}-*/log.md")
    return audit(path.read_bytes())


def found(result: Audit, severity: str) -> list[str]:
    return [finding.code for finding in result.findings if finding.severity == severity]


def test_a_sequential_log_has_no_batches() -> None:
    result = case("02")
    assert (result.findings, result.assumed.n_parallel) == ([], 1)


@pytest.mark.parametrize("number", ["03", "04"])
def test_other_names_and_rules_over_two_metrics_are_no_error(number: str) -> None:
    result = case(number)
    assert found(result, "error") == []
    assert not result.failed


def test_the_newest_format_contradicts_itself_four_times() -> None:
    result = case("05")
    assert sorted(found(result, "error")) == ["statistics-differ"] * 3 + ["status-contradicts"]
    told = " ".join(finding.found for finding in result.findings)
    for words in (
        "mean of connectivity_R2 0.99",
        "cv of connectivity_R2 0.5%",
        "min of connectivity_R2 0.95",
        "Fragile",
    ):
        assert words in told
    assert result.reward == "connectivity_R2"
    assert result.comparisons[0].scores[0].connectivity_R2 == pytest.approx(0.94)


def test_copied_metrics_are_a_warning() -> None:
    assert "metrics-copied" in found(case("06"), "warning")
