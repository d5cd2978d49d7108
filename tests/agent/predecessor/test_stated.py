"""The runs that an entry states, and that a run which was asked to use them judges nothing by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.briefing.context import build_context
from agent.commands.rebuild import rebuild
from agent.commands.status import describe, read_run
from agent.ledger.ledger import Ledger
from agent.ledger.open_run import open_run
from agent.ledger.standing import verdict_data
from agent.night.night import Night
from agent.predecessor.command import open_imported, summary
from agent.predecessor.entries import read_entries
from agent.predecessor.stated import stated_runs
from agent.replay.archive import export, opened
from agent.replay.whole_run import replay_run
from agent.report.write import write_report
from prompts.context import Context
from prompts.render import render_prompt, render_system
from state.metrics import METRICS
from tests.agent.conftest import play, write_campaign
from tests.agent.predecessor.logs import section
from ucb.counted import MARK
from ucb.table import render_table


def runs_of(text: str) -> list[Any]:
    (entry,) = read_entries(text.encode(), "l.md")
    return list(stated_runs(entry, entry.outcome or "failed"))


def test_a_run_has_the_seeds_that_the_log_states() -> None:
    told = section(1, "root", Metrics="connectivity_R2=0.9, V_rest_R2=nan, odd=3", Seeds="sim_seed=7, train_seed=8")
    assert runs_of(told) == [{"metrics": {"connectivity_R2": 0.9}, "simulation_seed": 7, "training_seed": 8}]
    bare = section(1, "root", Metrics="connectivity_R2=0.9", Config="seed=137, lr_W=5E-4")
    assert runs_of(bare) == [{"metrics": {"connectivity_R2": 0.9}, "simulation_seed": 137, "training_seed": None}]


def test_without_connectivity_nothing_is_stated_unless_it_failed() -> None:
    assert runs_of(section(1, "root", Metrics="V_rest_R2=0.9")) == []
    assert runs_of(section(1, "root")) == []
    (failed,) = runs_of(section(1, "root").replace("converged", "failed"))
    assert failed["metrics"] == {}


def test_each_slot_of_an_entry_is_a_run() -> None:
    slots = {f"Slot {n}": f"connectivity_R2=0.{n}, sim_seed={n}" for n in (7, 8)}
    assert [run["metrics"] for run in runs_of(section(1, "root", **slots))] == [
        {"connectivity_R2": 0.7},
        {"connectivity_R2": 0.8},
    ]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A campaign, and the log that a night of it left behind: 5 batches, 20 iterations."""
    root = tmp_path_factory.mktemp("begun")
    file = write_campaign(root / "c.yaml")
    play(file, root / "first", 5)
    return file, root / "first" / "analysis.md"


@pytest.fixture(scope="module", params=["run", "config_mean"])
def night(request: pytest.FixtureRequest, begun: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Night:
    """A night of 5 batches that goes on from that log, its figures used."""
    folder = tmp_path_factory.mktemp(request.param)
    file = write_campaign(folder / "c.yaml", search={"ucb_reward": request.param})
    root, _ = open_imported(begun[1], file, None, None, folder / "runs", dry_run=True, use_metrics=True)
    return play(file, root, 5)


def faults(root: Path) -> list[str]:
    outcome = replay_run(root)
    return [*outcome.faults, *(fault for batch in outcome.batches.values() for fault in batch.faults)]


def test_the_night_follows_and_goes_on_from_what_is_stated_best(night: Night, tmp_path: Path) -> None:
    root = night.paths.root
    assert faults(root) == []
    before = {
        name: (root / name).read_bytes() for name in ("analysis.md", "memory.md", "ucb_scores.txt", "winner.yaml")
    }
    rebuild(root)
    assert {name: (root / name).read_bytes() for name in before} == before
    with opened(export(root, tmp_path / "a.tar.gz")) as folder:
        assert faults(folder) == []
    # After the baseline the first slot runs what had the highest UCB of the imported nodes then.
    run = open_run(root)
    ledger = run.new_ledger()
    for record in run.records():
        if record.type == "batch_planned" and record.batch == 2:
            best = build_context(ledger).stated_nodes
            assert record.data["slots"][0]["parent"] in [view.node for view in best if view.config_id != "C1"][:1]
        ledger.fold(record)


def changed(root: Path, use: bool, figure: float) -> Ledger:
    """The ledger of the night, had the log stated ``figure`` everywhere, or had nobody asked to ``use`` it."""
    run = open_run(root)
    ledger = run.new_ledger()
    for record in run.records():
        if record.type == "run_imported":
            data = {**record.data, "use_metrics": use}
            stated = [{"metrics": dict.fromkeys(METRICS, figure), "simulation_seed": 1001, "training_seed": 500001}]
            data["nodes"] = [{**node, "runs": stated} for node in data["nodes"]]
            record = record.model_copy(update={"data": data})
        ledger.fold(record)
    return ledger


def judged(ledger: Ledger) -> dict[str, Any]:
    """All that judges, and all that asks for replicates."""
    views = ledger.views
    context = build_context(ledger)
    return {
        "verdicts": verdict_data(views),
        "noise": {metric: views.estimates.noise(metric) for metric in METRICS},
        "leaders": views.confirmations.leaders,
        "standings": views.standings(10),
        "enough": [(stats.config_id, stats.enough, stats.robustness) for stats in views.table.top()],
        "table": render_table(views.table),
        "scores": [views.scores(number) for number in range(6, 11)],
        "told": {
            name: getattr(context, name)
            for name in (
                "configs",
                "nodes",
                "comparisons",
                "verdicts",
                "noise",
                "runs",
                "effects",
                "demand",
                "standard",
            )
        },
    }


def test_no_judgement_knows_of_a_stated_figure(night: Night) -> None:
    root = night.paths.root
    plain, low, high = changed(root, False, 0.5), changed(root, True, 0.5), changed(root, True, 0.999)
    assert judged(plain) == judged(low) == judged(high)
    assert not build_context(plain).stated_used
    one, other = build_context(low), build_context(high)
    assert one.variance_table != other.variance_table
    assert one.stated_nodes != other.stated_nodes
    assert one.stated_effects != other.stated_effects


def marked(context: Context) -> list[str]:
    return [line for line in render_prompt(context).splitlines() if "stated" in line]


def test_whatever_counts_them_is_marked(night: Night, begun: tuple[Path, Path]) -> None:
    ledger = open_run(night.paths.root).ledger()
    context = build_context(ledger)
    rows = [row for row in context.variance_table.splitlines() if MARK in row]
    assert any(row.startswith("| imported node") for row in rows)
    assert any(row.startswith("| C1 with ") and f" runs {MARK} |" in row for row in rows), rows
    assert all(row.endswith("|  |") for row in rows), "no class"
    nodes = [line for line in render_prompt(context).splitlines() if line.startswith("Node ") and "UCB=" in line]
    own = [line for line in nodes if int(line.split()[1].strip(":")) in ledger.history.iterations]
    assert all((" stated" in line) == (line not in own) for line in nodes)
    assert len(own) < len(nodes)
    assert all(f"with runs {MARK}: " in line and "+/-" not in line for line in context.stated_effects)
    assert context.stated_effects
    assert "each time marked `stated, not measured`" in render_system(context)


def test_people_are_told(night: Night, begun: tuple[Path, Path], tmp_path: Path) -> None:
    state = describe(*read_run(night.paths.root))
    assert state["imported"] == {"log": "analysis.md", "nodes": 20, "parents": 20, "use_metrics": True}
    assert "They helped to choose" in write_report(night.paths.root).read_text()
    root, data = open_imported(begun[1], begun[0], None, None, tmp_path, dry_run=True, use_metrics=True)
    assert "20 runs that the log states of them help to choose parents" in summary(root, data)[1]


def test_without_the_flag_nothing_of_it_is_recorded(begun: tuple[Path, Path], tmp_path: Path) -> None:
    root, data = open_imported(begun[1], begun[0], None, None, tmp_path, dry_run=True)
    assert "use_metrics" not in data
    assert all("runs" not in node for node in data["nodes"])
    context = build_context(play(begun[0], root, 2))
    assert "stated," not in render_prompt(context)
    assert "None of it is in any table, mean, score" in render_system(context)
