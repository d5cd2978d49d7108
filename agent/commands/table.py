"""`nightfly export --table`: all runs of a night as one table, and all trajectories as another, for pandas or R."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.briefing.slot_view import explored_values
from agent.ledger.ledger import Ledger
from agent.ledger.open_run import open_run
from agent.ledger.policy import slot_minutes
from agent.report.story import Story
from state.errors import RunError
from state.files import write_atomic
from state.history import Iteration
from state.journal import Record
from state.metrics import METRICS, traced
from state.shapes import SlotEnded

SUFFIXES = (".csv", ".parquet")

Row = dict[str, Any]


def write_tables(root: Path, table: Path | None, trajectories: Path | None) -> list[Path]:
    """Write the table of runs and the one of trajectories of the run in ``root``; returns what was written.

    Both are made anew from the journal and may be written while a driver is at work. RunError for what is no run, for a
    file that ends in neither .csv nor .parquet, and for .parquet without pyarrow.
    """
    wanted = [path for path in (table, trajectories) if path is not None]
    if len(set(wanted)) < len(wanted):
        raise RunError(f"{table}: named twice; --table and --trajectories are two tables and need two files")
    for path in wanted:
        _check(path)
    run = open_run(root)
    ledger, story, points = run.new_ledger(), Story(), list[Row]()
    run.fold(ledger.fold, story.apply, lambda record: points.extend(_points(record)))
    rows = [_row(ledger, story, number) for number in ledger.history.iterations]
    names = {number: iteration.planned.config_id for number, iteration in ledger.history.iterations.items()}
    if table is not None:
        _write(table, columns(ledger), rows)
    if trajectories is not None:
        head = ["node", "config", "phase", "iteration", *traced()]
        _write(trajectories, head, [{"config": names[point["node"]]} | point for point in points])
    return wanted


def columns(ledger: Ledger) -> list[str]:
    """The names of the table's columns, in their order."""
    return [
        *("iteration", "node", "batch", "block", "slot", "parent", "config", "role", "status", "mutation"),
        *ledger.campaign.explorable,
        *("simulation_seed", "training_seed", "seed_rationale", *METRICS, "minutes", "failed", "failure"),
        *("hypothesis", "verdict", "pattern", "device", "began", "ended"),
    ]


def _row(ledger: Ledger, story: Story, number: int) -> Row:
    """One planned iteration; what is not known yet, and what was not measured, is None."""
    iteration = ledger.history.iterations[number]
    planned, views = iteration.planned, ledger.views
    spans = story.attempts.get(number, [])
    values = explored_values(ledger, views.config(iteration))
    return {
        "iteration": number,
        "batch": planned.batch,
        "block": views.block(number).number,
        "slot": planned.slot,
        "parent": planned.parent,
        "config": planned.config_id,
        "role": planned.role,
        "mutation": planned.mutation,
        **{key: _cell(value) for key, value in zip(ledger.campaign.explorable, values.values(), strict=True)},
        "simulation_seed": planned.simulation_seed,
        "training_seed": planned.training_seed,
        "seed_rationale": planned.seed_rationale,
        "hypothesis": planned.hypothesis,
        "verdict": None if iteration.entry is None else iteration.entry["verdict"],
        "pattern": views.patterns.get(number),
        "began": spans[0][0] if spans else None,
        "ended": spans[-1][1] if spans else None,
        **_outcome(ledger, iteration),
    }


def _outcome(ledger: Ledger, iteration: Iteration) -> Row:
    """What came out of it; nothing while it has no result."""
    result = iteration.result
    if result is None:
        return {}
    failure = result.failure
    return {
        "node": iteration.planned.iteration,
        "status": ledger.views.status(result),
        **{name: result.metrics.get(name) for name in METRICS},
        "minutes": slot_minutes(result, ledger.campaign.format),
        "failed": result.failed,
        "failure": None if failure is None else f"{failure.kind}: {failure.message}",
        "device": result.device,
    }


def _points(record: Record) -> Iterator[Row]:
    """The rows of metrics.log that a slot's record carries, with every digit."""
    if record.type not in ("slot_finished", "slot_failed"):
        return
    ended = record.of(SlotEnded)
    for point in ended["result"].get("trajectory", []):
        followed = {name: point.get(trace.column) for name, trace in traced().items()}
        yield {"node": ended["iteration"], "phase": point["phase"], "iteration": point["iteration"]} | followed


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _check(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise RunError(f"{path}: a table ends in .csv or .parquet; give a name such as runs.csv")
    if path.is_dir():
        raise RunError(f"{path}: is a directory; give a file name such as runs.csv")
    if path.suffix == ".parquet":
        _arrow(path)


def _write(path: Path, head: list[str], rows: list[Row]) -> None:
    write_atomic(path, _parquet(path, head, rows) if path.suffix == ".parquet" else _csv(head, rows))


def _csv(head: list[str], rows: list[Row]) -> str:
    """Comma-separated, a line a row, an empty cell for what is not known; numbers with every digit."""
    text = io.StringIO()
    writer = csv.DictWriter(text, head, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _harmless(value: Any) -> Any:
    """A spreadsheet takes text that begins so for a formula; a space before it makes it text, whoever wrote it."""
    return f" {value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value


def _parquet(path: Path, head: list[str], rows: list[Row]) -> bytes:
    arrow, parquet = _arrow(path)
    found = {name: _column(arrow, [row.get(name) for row in rows]) for name in head}
    buffer = io.BytesIO()
    parquet.write_table(arrow.table(found), buffer)
    return buffer.getvalue()


def _column(arrow: Any, values: list[Any]) -> Any:
    """A column of one type; as text where a key took numbers and words."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        values = [None if value is None else float(value) for value in values]
    elif len(kinds) > 1:
        values = [None if value is None else str(value) for value in values]
    return arrow.array(values)


def _arrow(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise RunError(
            f"{path}: Parquet needs pyarrow, which is not installed; run pip install pyarrow, or name a .csv"
        ) from error
    return pyarrow, pyarrow.parquet
