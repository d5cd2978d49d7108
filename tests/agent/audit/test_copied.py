"""Metrics that several entries share to the last digit."""

from __future__ import annotations

import pytest

from agent.audit.audit import audit


def log(metrics: list[str], config: list[str] | None = None, seeds: bool = False) -> bytes:
    rows = ["# Experiment Log: made up", ""]
    for number, text in enumerate(metrics, 1):
        rows += [f"## Iter {number}: converged", f"Node: id={number}, parent={'root' if number == 1 else 1}"]
        rows += [f"Seeds: sim_seed={number}, train_seed={number}"] if seeds else []
        own = config[number - 1] if config else f"lr_W={number}E-3"
        rows += [f"Config: {own}", f"Metrics: {text}", "Mutation: baseline", "Next: parent=1", ""]
    return "\n".join(rows).encode()


SAME = "test_R2=0.8817, test_pearson=0.9041, connectivity_R2=0.9673"


def told(data: bytes) -> list[str]:
    return [f.found for f in audit(data).findings if f.code == "metrics-copied"]


def test_one_warning_tells_all_entries_that_share_their_figures() -> None:
    other = "test_R2=0.7717, test_pearson=0.8041, connectivity_R2=0.9573"
    (found,) = told(log([f"{SAME}, final_loss=1.{n}e+03" for n in range(4)] + [other]))
    assert "entries 1-4" in found


def test_other_seeds_must_give_other_figures_too() -> None:
    assert len(told(log([SAME, SAME], ["lr_W=1E-3"] * 2, seeds=True))) == 1
    assert told(log([SAME, SAME], ["lr_W=1E-3"] * 2)) == []


@pytest.mark.parametrize(
    "metrics",
    [
        [SAME, SAME.replace("0.8817", "0.8818")],
        ["connectivity_R2=1.000, test_R2=0.999, test_pearson=0.999"] * 2,
        ["connectivity_R2=0.95, test_R2=0.9"] * 2,
        ["rate_constants_R2=0.7263, slope=0.3", "rate_constants_R2=0.7263, slope=0.4"],
    ],
)
def test_figures_that_may_be_equal_by_chance_are_no_finding(metrics: list[str]) -> None:
    assert told(log(metrics)) == []


def test_where_all_figures_lie_close_together_some_are_equal() -> None:
    crowd = [f"connectivity_R2=0.48{n % 5 + 5}, test_R2=0.1{n % 4 + 10}, cluster_accuracy=1.000" for n in range(20)]
    assert told(log(crowd)) == []
