"""The variance table with stated runs counted in: its order, its rows, what is not shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.ucb.test_table import run
from ucb.counted import Counted, first, render_counted
from ucb.table import VarianceTable, order, render_table
from ucb.variance import ConfigStats

FIGURES = st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 1), st.floats(0, 1)), max_size=30)


def counted(table: VarianceTable, name: str, *figures: float) -> Counted:
    stated = tuple(run(name, number, conn, seed=-number) for number, conn in enumerate(figures, 1))
    measured = table.get(name)
    together = ConfigStats(name, (*stated, *(measured.runs if measured else ())))
    return Counted(name, together, measured, len(figures))


@given(FIGURES, st.dictionaries(st.sampled_from("abcxyz"), st.floats(0, 1), max_size=6), st.integers(1, 8))
def test_the_first_are_those_of_the_whole_order(
    rows: list[tuple[str, float, float]], stated: dict[str, float], limit: int
) -> None:
    table = VarianceTable()
    for number, (name, conn, vrest) in enumerate(rows, 100):
        table.add(run(name, number, conn, vrest))
    some = [counted(table, name, figure) for name, figure in stated.items()]
    whole = {stats.config_id: stats for stats in table.top()} | {one.name: one.together for one in some}
    want = sorted(whole.values(), key=order)[:limit]
    assert [one.together for one in first(table, some, limit)] == want


def test_without_stated_runs_it_is_the_variance_table() -> None:
    table = VarianceTable()
    for number in range(40):
        table.add(run(f"C{number + 1}", number, 0.5 + number / 100))
    assert render_counted(table, [], 20) == render_table(table, 20)


def test_measured_rows_stay_as_they_are_and_stated_ones_say_so() -> None:
    table = VarianceTable()
    for number in range(1, 5):
        table.add(run("C1", number + 10, 0.9))
    table.add(run("C2", 20, 0.8))
    text = render_counted(table, [counted(table, "C1", 0.2), counted(table, "imported node 9", 0.99, 0.98)])
    names = [row.split(" | ")[0].strip("| ") for row in text.splitlines()[3:]]
    assert names == [
        "imported node 9, stated, not measured",
        "C2",
        "C1",
        "C1 with 1 run stated, not measured",
    ]
    assert table.rows("C1") in text
    assert "| C1 with 1 run stated, not measured | 5 | 0.760 +/- 0.313 |" in text
    few = render_counted(table, [counted(table, "imported node 9", 0.99)], 1)
    assert table.rows("C1") in few
    assert few.endswith("1 more config with a lower score not shown.\n")
