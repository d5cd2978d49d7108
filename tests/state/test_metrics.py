"""The table of metrics: one row more is seen everywhere, and of today's rows it makes the addendum's formats."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from agent.audit.audit import audit
from agent.commands.prompt import past_prompt
from agent.commands.status import describe, print_status, read_run
from agent.guard.claims import contradictions
from agent.people.display import line
from agent.people.progress import slot_progress
from agent.people.slot_table import slot_table
from agent.replay.whole_run import replay_run
from agent.report.data import page_data
from agent.report.story import read_story
from agent.report.write import write_report
from agent.trackers.facts import tracked
from state.added import FORMAT
from state.journal import read_records
from state.metrics import METRICS, Metric, Steady, Trace, curves, is_whole, judged, main, tabled, traced, watched
from state.metrics_log import header
from state.paths import RunPaths
from state.records import TrajectoryPoint
from state.thresholds import Thresholds
from tests.agent.audit.logs import SOUND
from tests.agent.conftest import play, write_campaign
from trainer.engines import surrogate
from ucb.log import parse_log
from ucb.table import VarianceTable, render_table

ADDENDUM = Path(__file__).resolve().parents[4] / "shared" / "seed" / "parallel_addendum.md"
NEW = Metric(
    "jacobian_R2",
    "how well the Jacobian of the learned dynamics fits the true one",
    "jac",
    heading="jac_R2",
    steady=Steady("jac", 0.11, 0.22),
    main=3,
    trace=Trace("jacobian_r2", "jac"),
    words=r"jacobian[_ ]R2|jac",
    aliases=("jac", "jac_r2", "jacobian_r2"),
    watched=True,
    since=FORMAT,
)
# What the surrogate is made to measure; a run's own value tells it from others.
SHARE = 0.5


def test_the_user_s_formats_are_made_of_the_rows() -> None:
    assert list(METRICS) == [
        "connectivity_R2", "tau_R2", "V_rest_R2", "cluster_accuracy", "test_R2", "test_pearson", "training_time_min",
    ]  # fmt: skip
    assert header() == "epoch,iteration,connectivity_r2,vrest_r2,tau_r2,phase"
    assert [trace.label for trace in traced().values()] == ["conn", "vrest", "tau"]
    assert [row.name for row in main()] == ["connectivity_R2", "V_rest_R2", "tau_R2"]
    head = render_table(VarianceTable())
    assert [row.heading for row in tabled()] == ["conn_R2", "tau_R2", "V_rest_R2", "cluster"]
    if ADDENDUM.exists():
        text = ADDENDUM.read_text()
        assert head in text
        assert header() in text


def test_the_goal_s_metrics_are_those_of_the_addendum() -> None:
    assert [name for name, margin in judged().items() if margin is not None] == ["connectivity_R2", "tau_R2"]
    assert watched() == ["test_R2", "test_pearson"]


def test_a_metric_without_settings_of_its_own_has_the_limits_of_its_row() -> None:
    limits = Thresholds(conn_min=0.7)
    assert limits.steady(METRICS["connectivity_R2"]) == (0.05, 0.7)
    assert limits.steady(NEW) == (0.11, 0.22)
    assert limits.steady(METRICS["test_R2"]) is None


def test_names_of_one_run_are_whole_and_in_order() -> None:
    assert is_whole(set(METRICS))
    assert not is_whole(set(METRICS) - {"tau_R2"})
    assert not is_whole(set(METRICS) | {"speed"})
    assert curves(["tau", "conn", "vrest"]) == ["conn", "vrest", "tau"]
    assert curves(["tau", "conn"]) == curves(["conn", "vrest", "tau", "jac"]) == []


def test_a_point_has_no_other_columns_than_those_of_the_table() -> None:
    row = {"epoch": 0, "iteration": 5, "connectivity_r2": 0.5, "vrest_r2": None, "tau_r2": 1.0, "phase": "joint"}
    assert list(TrajectoryPoint.model_validate(row).values().values()) == [0.5, None, 1.0]
    with pytest.raises(ValueError, match="jacobian_r2 is no column of a trajectory; known here: connectivity_r2, "):
        TrajectoryPoint.model_validate(row | {"jacobian_r2": 0.5})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night under a table with one more row, which the surrogate measures."""
    root = tmp_path_factory.mktemp("metrics")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cast(dict[str, Metric], METRICS), NEW.name, NEW)
        patch.setattr(surrogate, "_metrics", partial(_measured, surrogate._metrics))
        patch.setattr(surrogate, "_trajectory", partial(_followed, surrogate._trajectory))
        play(write_campaign(root / "c.yaml"), root / "run", 4)
    return root / "run"


@pytest.fixture
def run(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The night, to be looked at under the same table."""
    monkeypatch.setitem(cast(dict[str, Metric], METRICS), NEW.name, NEW)
    return made


def _measured(plain: Any, conn: float, *rest: float) -> dict[str, float | None]:
    known = {name: row for name, row in METRICS.items() if name != NEW.name}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surrogate, "METRICS", known)
        return {**plain(conn, *rest), NEW.name: SHARE * conn}


def _followed(plain: Any, config: Any, conn: float, vrest: float, tau: float) -> list[TrajectoryPoint]:
    rows = [point.model_dump() for point in plain(config, conn, vrest, tau)]
    return [TrajectoryPoint.model_validate(row | {"jacobian_r2": SHARE * row["connectivity_r2"]}) for row in rows]


def test_the_log_and_the_tables_hold_it(run: Path) -> None:
    paths = RunPaths(run)
    entries = parse_log(paths.log.read_text())
    measured = [entry for entry in entries if entry.metrics is not None]
    assert len(measured) > 12
    for entry in measured:
        assert entry.metrics is not None
        assert entry.trajectory is not None
        assert entry.metrics[NEW.name] == pytest.approx(SHARE * (entry.metrics["connectivity_R2"] or 0.0), abs=1e-4)
        assert entry.trajectory["jac"].peak == pytest.approx(SHARE * (entry.trajectory["conn"].peak or 0.0), abs=1e-4)
    assert ", jac peak=" in paths.log.read_text()
    assert "| CV | jac_R2 (mean +/- std) | CV | Robust? |" in paths.memory.read_text()
    assert header() == "epoch,iteration,connectivity_r2,vrest_r2,tau_r2,jacobian_r2,phase"


def test_the_prompt_tells_it(run: Path) -> None:
    prompt = "\n".join(str(turn["text"]) for turn in past_prompt(run, 3))
    assert f"- `{NEW.name}`: {NEW.meaning}" in prompt
    assert f"- {NEW.name}: 11 %, 0.22" in prompt
    assert f", {NEW.name}=0." in prompt, "the slot's metrics"
    assert f"\n{NEW.name}: peak 0." in prompt, "the slot's curves"
    assert f"; {NEW.name} 0." in prompt or f", {NEW.name} 0." in prompt, "the slot's phases"
    assert f"- {NEW.name}: difference " in prompt, "the comparisons"
    assert "| conn | V_rest | tau | jac | min |" in prompt
    assert "jac_R2 (mean +/- std)" in prompt


def test_the_claim_check_holds_it_against_what_was_measured(run: Path) -> None:
    ledger, _ = read_story(RunPaths(run))
    value = ledger.history.iterations[1].result
    assert value is not None
    true = value.metrics[NEW.name]
    assert contradictions(f"jacobian R2 = {true:.4f}; jac peaked at {true:.4f}", 1, ledger) == []
    assert "whose jacobian_R2 is" in contradictions("jac = 0.1234", 1, ledger)[0]


def test_the_audit_knows_its_bounds_and_aliases(run: Path) -> None:
    wrong = SOUND.replace("connectivity_R2=0.950", "connectivity_R2=0.950, jacobian_R2=1.5", 1)
    assert ("metric-impossible", "jacobian_R2=1.5") in [(f.code, f.found) for f in audit(wrong.encode()).findings]
    assert audit(RunPaths(run).log.read_bytes()).findings == []


def test_status_and_display_show_it(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_status(run, as_json=False)
    assert ", jac 0." in " ".join(capsys.readouterr().out.split())
    state = describe(*read_run(run))
    assert all(best[NEW.name] > 0 for best in state["best"])
    ledger, _ = read_story(RunPaths(run))
    row = slot_progress(RunPaths(run), ledger.history.iterations[1])
    assert " jac 0." in line(row)
    assert [str(column.header) for column in slot_table([row], Console(width=200)).columns][-2] == "jac R2"


def test_the_page_shows_it(run: Path) -> None:
    ledger, story = read_story(RunPaths(run))
    page = page_data(ledger, story, {}, {})
    assert page["metrics"][-1] == page["main"][-1] == page["traced"][-1] == NEW.name
    assert [NEW.name, NEW.name] in page["columns"]
    assert page["meanings"][-1] == NEW.meaning
    first = page["nodes"][0]
    assert first["metrics"][-1] == pytest.approx(SHARE * first["metrics"][0], abs=1e-5)
    assert first["curve"][-1][-1] == pytest.approx(first["metrics"][-1], abs=1e-4)
    assert f"<th>{NEW.name}</th>" in write_report(run).read_text()


def test_trackers_are_told_it(run: Path) -> None:
    ledger, story = read_story(RunPaths(run))
    told = tracked(ledger, story, story.head, ledger.history.iterations[1])
    assert told.metrics[NEW.name] == pytest.approx(SHARE * told.metrics["connectivity_R2"])
    assert told.steps[-1][1][NEW.name] == pytest.approx(told.metrics[NEW.name])


def test_such_a_night_replays(run: Path) -> None:
    assert replay_run(run).passed
    started = next(read_records(RunPaths(run).journal))
    assert json.loads(json.dumps(started.data))["format"] == FORMAT
