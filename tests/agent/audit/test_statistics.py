"""Stated statistics against the runs they are of: right by either definition passes, anything else is found."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.audit.audit import audit
from tests.agent.audit.newest import entry


def wrong(text: str, code: str = "statistics-differ") -> list[str]:
    return [f.found for f in audit(text.encode()).findings if f.code == code]


@pytest.mark.parametrize(
    ("stats", "found"),
    [
        ("mean_conn_R2=0.94, std=0.02, CV=2.3%, min=0.91, max=0.96", 0),
        ("mean_conn_R2=0.940, std=0.019, CV=1.99%", 0),
        ("mean_conn_R2=0.940, std=0.022, CV=0.023", 0),
        ("mean=0.94, std=0.02, CV=2.1%", 0),
        ("mean_conn_R2=0.9401, std=N/A, CV=N/A, catastrophic=0/4", 0),
        ("mean_conn_R2=0.95", 1),
        ("std=0.05", 1),
        ("mean_conn_R2=0.94, std=0.02, CV=0.5%", 1),
        ("mean_conn_R2=0.94, min=0.90, max=0.99", 2),
        ("mean_conn_R2=0.94, std=0.02; mean_tau=0.90, min_tau=0.86", 1),
        ("mean_conn_R2=0.94; mean_unheard=0.5, std=0.3", 0),
    ],
)
def test_each_stated_figure_is_held_against_the_slots(stats: str, found: int) -> None:
    assert len(wrong(entry(stats=stats))) == found


@given(
    st.lists(st.integers(0, 99), min_size=2, max_size=10),
    st.sampled_from((0, 1)),
    st.integers(2, 4),
    st.sampled_from(("mean", "std", "min", "max")),
)
def test_what_is_computed_passes_and_what_is_off_by_more_is_found(
    hundredths: list[int], ddof: int, digits: int, name: str
) -> None:
    values = [value / 100 for value in hundredths]
    std = statistics.stdev(values) if ddof else statistics.pstdev(values)
    right = {"mean": statistics.fmean(values), "std": std, "min": min(values), "max": max(values)}
    told = ", ".join(f"{key}={value:.{digits}f}" for key, value in right.items())
    assert wrong(entry(header="fragile", values=values, stats=told)) == []
    off = right[name] + 0.3
    assert len(wrong(entry(header="fragile", values=values, stats=f"{name}={off:.{digits}f}"))) == 1


def runs(*values: float, told: str) -> str:
    rows = []
    for number, value in enumerate(values, 1):
        rows += [
            f"## Iter {number}: {'converged' if value > 0.8 else 'partial'}",
            f"Node: id={number}, parent=root",
            f"Seeds: sim_seed={number}, train_seed={number}, rationale=suggested-default",
            "Config: lr_W=1E-3",
            f"Metrics: connectivity_R2={value:.3f}",
            "Mutation: [none] - baseline",
        ]
        if number == len(values):
            rows.append(f"Variance update: C1 now has {told}")
        rows += ["Next: parent=root", ""]
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("4 runs, CV(conn_R2)=3.4%, CV(V_rest_R2)=n/a", 0),
        ("4 runs, CV(conn_R2)=2.9%", 0),
        ("4 runs, CV(conn_R2)=9.0%", 1),
        ("12 runs, CV(conn_R2)=9.0%", 0),
        ("1 run, CV(conn_R2)=n/a", 0),
    ],
)
def test_a_variance_update_is_held_against_the_runs_of_its_config(told: str, found: int) -> None:
    assert len(wrong(runs(0.90, 0.93, 0.95, 0.97, told=told), "variance-doubtful")) == found
