"""One run of each format ever released still opens, reports, rebuilds and replays; what is no run is said alike."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from agent.commands.prompt import next_prompt, past_prompt
from agent.commands.rebuild import rebuild
from agent.commands.status import describe, read_run
from agent.commands.tell import tell
from agent.ledger.open_run import open_run
from agent.night.inbox import request
from agent.night.loop import run_night
from agent.night.night import open_night
from agent.night.user_input import tell as instruct
from agent.replay.again import ask_again
from agent.replay.archive import export, opened
from agent.replay.retrain import Row, compare, retrain
from agent.replay.whole_run import replay_run
from agent.report.write import write_report
from agent.trackers.sync import sync
from state.added import FORMAT
from state.errors import JournalError, RunError
from state.evening import Budget
from state.journal import RECORD_TYPES, Journal, read_records
from state.metrics import METRICS, NOT_MEASURED, Metric, Steady, Trace
from state.paths import RunPaths
from state.shapes import SHAPES, codes_of
from tests.agent.ledger.scripted import Scripted
from trainer.engines.inline import InlineEngine

GOLDEN = Path(__file__).resolve().parents[2] / "state" / "golden"
FORMATS = range(1, FORMAT + 1)


def archive(number: int) -> Path:
    """The kept run of a format; with NIGHTFLY_UPDATE_GOLDEN=1 that of today's format is made anew."""
    return GOLDEN / f"run_format{number}.tar.gz"


@pytest.fixture(scope="module", autouse=True)
def made_anew(tmp_path_factory: pytest.TempPathFactory) -> None:
    if os.environ.get("NIGHTFLY_UPDATE_GOLDEN") != "1":
        return
    root, budget = tmp_path_factory.mktemp("made") / "golden", Budget(max_batches=4)
    night = open_night(GOLDEN / "run_campaign.yaml", root, dry_run=True)
    night.record("driver_started", {"host": "example", "budget": budget.model_dump()})
    instruct(night.paths.user_input, "Prefer fewer epochs.")
    run_night(night, Scripted(), InlineEngine(), lambda *_: None, budget)
    night.derived.flush()
    night.close()
    night.paths.tree_picture.unlink()
    archive(FORMAT).unlink(missing_ok=True)
    export(root, archive(FORMAT))


@pytest.fixture(params=FORMATS, ids=lambda number: f"format{number}")
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with opened(archive(request.param)) as folder:
        return folder.rename(tmp_path / "golden")


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_run_of_each_format_holds_every_kind_of_exchange(golden: Path) -> None:
    run = open_run(golden)
    assert run.campaign().format == run.started().get("format", 1)
    assert len({record.type for record in run.records()}) == len(RECORD_TYPES) - 7, (
        "no slot failed, none was cut or ran ahead, no stop by hand, no wait, nothing imported, no explorer beside"
    )
    rejected = [record.data for record in run.records() if record.type == "reply_rejected"]
    assert [codes_of(one) for one in rejected] == [["refusal"], ["unreadable"], ["claim"]]  # type: ignore[arg-type]
    assert run.ledger().history.committed == 4


def test_a_run_of_each_format_replays_and_rebuilds_to_the_same_bytes(golden: Path) -> None:
    outcome = replay_run(golden)
    assert outcome.passed, [*outcome.faults, *(fault for batch in outcome.batches.values() for fault in batch.faults)]
    before = files(golden)
    rebuild(golden)
    after = files(golden)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"tree.png", "report/index.html", "driver.lock"}


def test_a_run_of_each_format_is_shown(golden: Path) -> None:
    assert describe(*read_run(golden))["committed"] == 4
    assert past_prompt(golden, 0)
    assert "golden" in write_report(golden).read_text()


def test_what_a_metric_of_today_lacks_in_an_older_run_is_shown_as_not_measured(
    golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = (golden / "analysis.md").read_bytes()
    row = Metric(
        "jacobian_R2",
        "a metric that every prompt, table and trajectory of later runs tells",
        "jac",
        heading="jac_R2",
        steady=Steady("jac", 0.1, 0.5),
        main=3,
        trace=Trace("jacobian_r2", "jac"),
        words="jacobian[_ ]R2|jac",
        watched=True,
        since=FORMAT + 1,
    )
    monkeypatch.setitem(cast(dict[str, Metric], METRICS), row.name, row)
    rebuild(golden)
    assert (golden / "analysis.md").read_bytes() == log
    page = RunPaths(golden).report.read_text()
    assert f'"jacobian_R2":"{NOT_MEASURED}"' in page
    assert replay_run(golden).passed
    assert describe(*read_run(golden))["best"]
    old = open_run(golden).ledger().history.iterations[1].result
    assert old is not None
    again = compare(1, old, old.model_copy(update={"metrics": old.metrics | {"jacobian_R2": 0.5}}))
    assert again.passed
    assert again.rows[-1] == Row("jacobian_R2", None, 0.5, None)


DOORS: list[Callable[[Path], Any]] = [
    open_run,
    next_prompt,
    rebuild,
    read_run,
    write_report,
    replay_run,
    lambda root: past_prompt(root, 1),
    lambda root: tell(root, "text"),
    lambda root: request(root, "stop"),
    lambda root: export(root, None),
    lambda root: ask_again(root, 1, Scripted()),
    lambda root: retrain(root, 1),
    lambda root: sync(root, "mlflow"),
]


@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_run_is_said_in_one_sentence(door: Callable[[Path], Any], tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"^{tmp_path}: holds no nightfly run \\(no journal.jsonl\\); give a directory"):
        door(tmp_path)


@pytest.mark.parametrize("door", DOORS)
def test_a_newer_format_is_refused_in_one_sentence(door: Callable[[Path], Any], tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl", lambda record: None) as journal:
        started = {"name": "n", "campaign": "b", "identity": "i", "dry_run": True, "format": FORMAT + 1}
        journal.append("campaign_started", 0, started)
    with pytest.raises(RunError, match=f"^the run is of format {FORMAT + 1}, which is newer than this nightfly"):
        door(tmp_path)
    assert not (tmp_path / "analysis.md").exists()


def test_a_run_that_never_began_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").touch()
    with pytest.raises(RunError, match="the run never began"):
        open_run(tmp_path).ledger()


@pytest.mark.parametrize("kind", RECORD_TYPES)
def test_a_record_without_what_its_type_says_is_named(kind: Any, tmp_path: Path) -> None:
    lacking = {"budget": 7} if kind == "driver_started" else {}
    with Journal(tmp_path / "journal.jsonl", lambda record: None) as journal:
        journal.append(kind, 0, lacking)
    with pytest.raises(JournalError, match=f"line 1: a {kind} that this nightfly cannot read; use the version that"):
        list(open_run(tmp_path).records())


def test_every_type_of_record_has_a_shape(tmp_path: Path) -> None:
    assert set(SHAPES) == set(RECORD_TYPES)
    with Journal(tmp_path / "journal.jsonl", lambda record: None) as journal:
        journal.append("driver_stopped", 0, {"reason": "r"})
    (record,) = read_records(tmp_path / "journal.jsonl")
    with pytest.raises(AssertionError, match="a driver_stopped is no SlotStarted"):
        record.of(SHAPES["slot_started"])
