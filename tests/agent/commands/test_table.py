"""The tables of a night: each run and each point of its trajectory, as the journal has them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, Prompt
from agent.commands.table import write_tables
from agent.night.loop import run_batch, start
from agent.night.night import open_night
from state.errors import RunError
from state.journal import read_records
from state.metrics import METRICS, traced
from state.paths import RunPaths
from tests.agent.conftest import play, write_campaign
from tests.agent.report.conftest import MoodyEngine


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night in which slots fail and metrics are undefined; not to be written to."""
    folder = tmp_path_factory.mktemp("table")
    play(write_campaign(folder / "campaign.yaml"), folder / "run", 5, engine=MoodyEngine())
    return folder / "run"


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(newline="")))


def test_every_run_is_a_row_with_its_config_seeds_and_metrics(root: Path, tmp_path: Path) -> None:
    (path,) = write_tables(root, tmp_path / "runs.csv", None)
    rows = {int(row["iteration"]): row for row in read(path)}
    records = list(read_records(RunPaths(root).journal))
    ended = {r.data["iteration"]: r.data["result"] for r in records if r.type in ("slot_finished", "slot_failed")}
    planned = {slot["iteration"]: slot for r in records if r.type == "batch_planned" for slot in r.data["slots"]}
    assert rows.keys() == planned.keys()
    for number, row in rows.items():
        result, slot = ended[number], planned[number]
        assert row["node"] == str(number)
        assert row["parent"] == ("" if slot["parent"] is None else str(slot["parent"]))
        assert row["config"] == slot["config_id"]
        assert (row["simulation_seed"], row["training_seed"]) == (
            str(slot["simulation_seed"]),
            str(slot["training_seed"]),
        )
        for name in METRICS:
            value = result["metrics"].get(name)
            assert row[name] == ("" if value is None else repr(value))
        assert row["failed"] == str(result["failure"] is not None)
        assert row["verdict"] in ("supported", "falsified", "inconclusive")
    assert {row["failed"] for row in rows.values()} == {"True", "False"}


def test_a_changed_parameter_stands_in_its_column(root: Path, tmp_path: Path) -> None:
    rows = {int(row["iteration"]): row for row in read(*write_tables(root, tmp_path / "runs.csv", None))}
    changed = 0
    for record in read_records(RunPaths(root).journal):
        for slot in record.data["slots"] if record.type == "batch_planned" else []:
            for key, (_, new) in slot["changes"].items():
                assert float(rows[slot["iteration"]][key]) == new
                changed += 1
    assert changed


def test_every_point_of_every_trajectory_is_a_row_with_all_its_digits(root: Path, tmp_path: Path) -> None:
    write_tables(root, None, tmp_path / "curves.csv")
    rows, at = read(tmp_path / "curves.csv"), 0
    for record in read_records(RunPaths(root).journal):
        if record.type not in ("slot_finished", "slot_failed"):
            continue
        for point in record.data["result"]["trajectory"]:
            row = rows[at]
            assert (int(row["node"]), int(row["iteration"])) == (record.data["iteration"], point["iteration"])
            for name, trace in traced().items():
                assert row[name] == ("" if point[trace.column] is None else repr(point[trace.column]))
            at += 1
    assert at == len(rows) > 0


def test_a_run_without_a_result_is_a_row_without_a_node(tmp_path: Path) -> None:
    night = open_night(write_campaign(tmp_path / "campaign.yaml"), tmp_path / "run", dry_run=True)
    try:
        start(night, MockLLM())
        with pytest.raises(InterruptedError):
            run_batch(night, MockLLM(), Unwilling(), lambda *_: None)
    finally:
        night.close()
    rows = read(*write_tables(tmp_path / "run", tmp_path / "runs.csv", None))
    assert [row["iteration"] for row in rows] == ["1", "2", "3", "4"]
    assert {(row["node"], row["status"], row["failed"]) for row in rows} == {("", "", "")}


class Unwilling(MoodyEngine):
    """An engine that is stopped before it has begun."""

    def submit(self, jobs: list[Any]) -> list[Any]:
        """Stop."""
        raise InterruptedError


class Formulas:
    """The mock, but its hypotheses are what a spreadsheet would run."""

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        """The mock's reply with the hypotheses replaced."""
        done = MockLLM().complete(prompt, schema)
        reply = json.loads(done.text)
        for slot in (slot for key, slot in reply.items() if key.startswith("slot_")):
            slot["proposal"]["hypothesis"] = '=HYPERLINK("https://x.example")'
        return Completion(json.dumps(reply), "end_turn", done.usage, None, done.model)


def test_no_text_of_the_model_is_a_formula_in_a_spreadsheet(tmp_path: Path) -> None:
    play(write_campaign(tmp_path / "campaign.yaml"), tmp_path / "run", 1, Formulas())
    (path,) = write_tables(tmp_path / "run", tmp_path / "runs.csv", None)
    assert {row["hypothesis"] for row in read(path)} == {' =HYPERLINK("https://x.example")'}


def test_parquet_holds_the_same_as_csv(root: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    write_tables(root, tmp_path / "runs.csv", None)
    write_tables(root, tmp_path / "runs.parquet", None)
    table = parquet.read_table(tmp_path / "runs.parquet").to_pylist()
    text = [{k: "" if v is None else str(v) for k, v in row.items()} for row in table]
    assert [{k: v for k, v in row.items() if k != "hypothesis"} for row in text] == [
        {k: v for k, v in row.items() if k != "hypothesis"} for row in read(tmp_path / "runs.csv")
    ]
    assert isinstance(table[0]["connectivity_R2"], float | None)
    assert isinstance(table[0]["simulation_seed"], int)


@pytest.mark.parametrize(
    ("table", "other", "sentence"),
    [
        ("runs.xlsx", None, "ends in .csv or .parquet"),
        ("folder.csv", None, "is a directory"),
        ("one.csv", "one.csv", "named twice"),
    ],
)
def test_a_wrong_name_is_told(root: Path, tmp_path: Path, table: str, other: str | None, sentence: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(RunError, match=sentence):
        write_tables(root, tmp_path / table, tmp_path / other if other else None)


def test_the_command_says_in_one_sentence_that_parquet_needs_pyarrow(root: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        f"sys.argv = ['nightfly', 'export', {str(root)!r}, '--table', {str(tmp_path / 'runs.parquet')!r}]\n"
        "from agent.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install pyarrow" in done.stderr
    assert not (tmp_path / "runs.parquet").exists()


def test_an_archive_and_a_table_are_not_asked_for_together(root: Path, tmp_path: Path) -> None:
    command = ["export", str(root), "--table", str(tmp_path / "a.csv"), "--out", str(tmp_path / "a.tar.gz")]
    done = subprocess.run([sys.executable, "-m", "agent.cli", *command], capture_output=True, text=True)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []
