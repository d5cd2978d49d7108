"""The table of a campaign: order, incremental growth, and the addendum's columns."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.added import FORMAT
from ucb.table import VarianceTable, render_table, update_line
from ucb.trajectory import VrestWord
from ucb.variance import Run

ADDENDUM = Path(__file__).parents[3] / "shared" / "seed" / "parallel_addendum.md"


def run(name: str, iteration: int, conn: float | None = 0.9, vrest: float = 0.5, seed: int | None = None) -> Run:
    """One run; conn None is a failed slot."""
    metrics = {"connectivity_R2": conn, "tau_R2": 0.97, "V_rest_R2": vrest, "cluster_accuracy": 0.9}
    seed = iteration if seed is None else seed
    word: VrestWord = "rises" if iteration % 2 == 0 else "holds high"
    return Run(name, iteration, seed, iteration, None if conn is None else metrics, True, word)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.floats(0, 1), st.floats(0, 1)), max_size=40))
def test_growing_run_by_run_keeps_the_order(rows: list[tuple[str, float | None, float]]) -> None:
    table = VarianceTable()
    for i, (name, conn, vrest) in enumerate(rows):
        table.add(run(name, i, conn, vrest))
    order = table.top()
    assert {stats.config_id for stats in order} == {name for name, _, _ in rows}
    assert sum(len(stats.runs) for stats in order) == len(rows)
    assert [stats.score for stats in order] == sorted((stats.score for stats in order), reverse=True)
    assert table.ranking() == [stats for stats in order if len(stats.runs) >= 3]


def test_ties_go_to_the_steadier_vrest() -> None:
    table = VarianceTable()
    for i in range(3):
        table.add(run("early", i, conn=0.5, vrest=0.0))
        table.add(run("steady", 10 + i, conn=0.25, vrest=0.5))
    assert table["early"].score == table["steady"].score == 0.5
    assert [stats.config_id for stats in table.ranking()] == ["steady", "early"]


def test_only_configs_with_three_runs_are_ranked() -> None:
    table = VarianceTable()
    for i in range(3):
        table.add(run("C1", i, 0.8))
    table.add(run("C2", 4, 0.99))
    assert [stats.config_id for stats in table.ranking()] == ["C1"]
    assert [stats.config_id for stats in table.top(1)] == ["C2"]


def test_the_table_has_exactly_the_addendums_columns() -> None:
    if not ADDENDUM.exists():
        pytest.skip("the addendum is not here")
    wanted = ADDENDUM.read_text().split("### Variance Estimates\n")[1].split("```")[0]
    assert render_table(VarianceTable()) == "### Variance Estimates\n" + wanted


@pytest.mark.parametrize(
    ("format", "count", "trend"),
    [
        (FORMAT, "3", "conn holds 3/3, vrest rises 1/3, holds high 2/3"),
        (1, "3 (sim seeds 3, train seeds 3, 1 failed)", "conn holds 3/3, vrest rises 1/3"),
    ],
)
def test_a_row_tells_runs_and_trend(format: int, count: str, trend: str) -> None:
    table = VarianceTable(format=format)
    for i, conn in enumerate([0.9, 0.94, None]):
        stats = table.add(run("C1", i + 1, conn))
    row = render_table(table).rstrip("\n").split("\n")[-1]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:2] == ["C1", count]
    assert cells[2] == "0.613 +/- 0.532"
    assert cells[4] == trend
    assert cells[-1] == "fragile"
    assert len(cells) == 12
    assert update_line(stats) == "C1 now has 3 runs, CV(conn_R2)=86.7%, CV(V_rest_R2)=86.6%"


def test_within_a_batch_the_runs_count_up() -> None:
    table = VarianceTable()
    for i, conn in enumerate([0.9, 0.94, None, 0.8]):
        table.add(run("C1", i + 1, conn))
    lines = [update_line(table.as_of("C1", number)) for number in (1, 2, 4)]
    assert [line.partition(",")[0] for line in lines] == ["C1 now has 1 run", "C1 now has 2 runs", "C1 now has 4 runs"]
    assert "CV(conn_R2)=3.1%" in lines[1]
    assert lines[2] == update_line(table["C1"])


def test_undefined_figures_are_told_as_such() -> None:
    table = VarianceTable()
    stats = table.add(run("C1", 1))
    assert "| 0.900 +/- n/a | n/a |" in render_table(table)
    assert update_line(stats) == "C1 now has 1 run, CV(conn_R2)=n/a, CV(V_rest_R2)=n/a"


def test_runs_on_the_same_data_are_kept_apart() -> None:
    table = VarianceTable()
    for i, (conn, seed) in enumerate([(0.90, 7), (0.92, 7), (0.5, 8)]):
        table.add(run("C1", i, conn, seed=seed))
    rows = render_table(table).rstrip("\n").split("\n")[3:]
    assert [row.split("|")[1].strip() for row in rows] == ["C1", "C1, same data"]
    assert "0.910 +/- 0.014" in rows[1]


def test_a_long_table_is_cut_but_keeps_the_baseline() -> None:
    table = VarianceTable()
    for i in range(30):
        table.add(run(f"C{i + 1}", i, 0.5 + i / 100))
    text = render_table(table, limit=5)
    assert [row.split("|")[1].strip() for row in text.split("\n")[3:9]] == ["C30", "C29", "C28", "C27", "C26", "C1"]
    assert text.endswith("24 more configs with a lower score not shown.\n")


def test_the_best_means_are_those_of_a_full_sort() -> None:
    rng, table = random.Random(4), VarianceTable()
    for iteration in range(1, 200):
        value = round(rng.random(), 1)
        table.add(Run(f"C{rng.randint(1, 30)}", iteration, iteration, iteration, {"connectivity_R2": value}))
    means = {stats.config_id: stats.spreads["connectivity_R2"].mean or 0.0 for stats in table.top()}
    first = {stats.config_id: stats.runs[0].iteration for stats in table.top()}
    want = sorted(means, key=lambda name: (-means[name], first[name]))
    for k in (1, 3, 30, 99):
        assert [stats.config_id for stats in table.by_connectivity(k)] == want[:k]


def test_what_leads_is_ranked_and_as_long_as_nothing_is_stands_first() -> None:
    table = VarianceTable()
    for n in range(2):
        table.add(run("C1", n + 1, 0.5 + 0.1 * n, seed=n))
    assert [stats.config_id for stats in table.leading(1)] == ["C1"]
    table.add(run("C2", 3, 0.99, seed=3))
    assert [stats.config_id for stats in table.leading(1)] == ["C2"]
    table.add(run("C1", 4, 0.7, seed=4))
    assert [stats.config_id for stats in table.leading(1)] == ["C1"]
    assert table["C1"].best_run == 4
