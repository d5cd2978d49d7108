"""Configs with the figures counted in that a log states of them: their order and their table, which judge nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ucb.table import VarianceTable, order, table_of, table_row
from ucb.variance import ConfigStats

MARK = "stated, not measured"


@dataclass(frozen=True)
class Counted:
    """One config. ``together``: all its runs, of which ``stated`` are known from a log alone.

    ``measured``: those that ran here; None where none did.
    """

    name: str
    together: ConfigStats
    measured: ConfigStats | None
    stated: int


def first(table: VarianceTable, counted: Sequence[Counted], limit: int) -> list[Counted]:
    """The first ``limit`` of all configs, best first, stated runs counted in."""
    # A config without stated runs is among the first of all only if it is among so many of the table.
    ran = table.top(limit + len(counted))
    rows = {stats.config_id: Counted(stats.config_id, stats, stats, 0) for stats in ran}
    rows |= {one.name: one for one in counted}
    return sorted(rows.values(), key=lambda one: order(one.together))[:limit]


def render_counted(table: VarianceTable, counted: Sequence[Counted], limit: int = 20) -> str:
    """The variance table in that order, and always C1. Runs that are stated alone stand in rows that say so.

    Such a row has no class: that is for measured runs.
    """
    shown = first(table, counted, limit)
    if "C1" in table and all(one.name != "C1" for one in shown):
        shown.append(next((one for one in counted if one.name == "C1"), Counted("C1", table["C1"], table["C1"], 0)))
    configs = len(table) + sum(one.measured is None for one in counted)
    rows = (row for one in shown for row in _rows(table, one))
    return table_of(rows, configs - len(shown), table.format)


def _rows(table: VarianceTable, one: Counted) -> Iterator[str]:
    if one.measured is not None:
        yield table.rows(one.name)
    if one.stated:
        runs = f"{one.stated} run{'s' if one.stated > 1 else ''}"
        name = f"{one.name}, {MARK}" if one.measured is None else f"{one.name} with {runs} {MARK}"
        yield table_row(one.together, name, one.together.runs, one.together.spreads, "")
