"""`nightfly import` opens a whole run or none; a night goes on from it, and replays."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.briefing.context import build_context
from agent.briefing.facts import guard_facts
from agent.claude.mock import MockLLM, answer
from agent.cli import app
from agent.commands.rebuild import rebuild
from agent.commands.status import describe, read_run
from agent.guard.guard import check
from agent.guard.reply import Asked, parse_reply
from agent.ledger.open_run import open_run
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.predecessor.command import open_imported
from agent.replay.archive import export, opened
from agent.replay.whole_run import replay_run
from agent.report.write import write_report
from state.errors import UserError
from state.evening import Budget
from tests.agent.conftest import play, write_campaign
from tests.agent.predecessor.logs import section
from trainer.engines.inline import InlineEngine
from ucb.grammar import render_mutation
from ucb.tree import TreeError

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpus"


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A campaign, and the run that a night of it left behind: 5 batches, 20 iterations."""
    root = tmp_path_factory.mktemp("begun")
    file = write_campaign(root / "c.yaml")
    play(file, root / "first", 5)
    return file, root / "first"


@pytest.fixture(scope="module")
def went_on(begun: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Night:
    """A run that goes on from that one's log and memory for 4 batches."""
    file, first = begun
    runs = tmp_path_factory.mktemp("runs")
    root, _ = open_imported(first / "analysis.md", file, first / "memory.md", None, runs, dry_run=True)
    return play(file, root, 4)


def faults(root: Path) -> list[str]:
    outcome = replay_run(root)
    return [*outcome.faults, *(fault for batch in outcome.batches.values() for fault in batch.faults)]


def test_a_night_goes_on_from_what_was_imported_and_everything_follows(
    went_on: Night, begun: tuple[Path, Path]
) -> None:
    history, root = went_on.history, went_on.paths.root
    assert faults(root) == []
    assert sorted(history.imported) == list(range(1, 21))
    assert list(history.iterations) == list(range(21, 37))
    first = open_run(begun[1]).ledger()
    for number, node in history.imported.items():
        imported, own = went_on.views.parent_config(number), first.views.config(first.history.iterations[number])
        assert imported is not None
        assert imported.identity() == own.identity(), node
    adopted = [it for it in history.iterations.values() if it.planned.parent in history.imported]
    assert adopted, "the mock goes on from imported nodes"
    for iteration in adopted:
        parent = went_on.views.parent_config(iteration.planned.parent)
        assert parent is not None
        assert went_on.views.config(iteration).identity() == parent.identity()


def test_nothing_imported_is_in_a_verified_figure(went_on: Night, begun: tuple[Path, Path], tmp_path: Path) -> None:
    runs = [run for stats in went_on.views.table.top() for run in stats.runs]
    assert sorted(run.iteration for run in runs) == list(range(21, 37))
    assert len(went_on.views.tree) == 16
    # The same log with other figures leads to the same night.
    log = re.sub(r"(connectivity|V_rest|tau)_R2=0\.[0-9]+", r"\1_R2=0.999", (begun[1] / "analysis.md").read_text())
    (tmp_path / "other.md").write_text(log)
    root, _ = open_imported(tmp_path / "other.md", begun[0], None, None, tmp_path / "runs", dry_run=True)
    ledger = open_run(root).ledger()
    assert not ledger.views.table.top()
    assert ledger.views.scores(6).scores == ()
    assert {node.connectivity_R2 for node in ledger.views.tree.nodes()} == {None}


def test_it_is_shown_as_what_it_is(went_on: Night) -> None:
    root = went_on.paths.root
    state = describe(*read_run(root))
    assert state["imported"] == {"log": "analysis.md", "nodes": 20, "parents": 20}
    assert state["finished"] == 16
    page = write_report(root).read_text()
    assert "Imported, unverified: 20 nodes of analysis.md" in page
    assert '"before":5' in page
    system = went_on.blobs.text(went_on.history.exchanges[0].prompt["system"])
    assert "# Imported, unverified\nAnother program ran 20 iterations" in system
    log = (root / "analysis.md").read_text()
    assert log.count("(imported, unverified)") == 20
    assert "## Block 6\n\n## Iter 21: " in log


def test_claude_starts_from_the_marked_memory(begun: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "m.md").write_text("The joint phase must be long.\n")
    root, data = open_imported(
        begun[1] / "analysis.md", begun[0], tmp_path / "m.md", None, tmp_path / "r", dry_run=True
    )
    context = build_context(open_run(root).ledger())
    assert "(imported; none of its figures is verified)\n> The joint phase must be long." in context.memory
    assert context.kind == "start"
    assert context.barred == []
    assert context.block_iterations == (21, 24)
    assert data["start_memory"] is not None


def test_rebuild_and_export_follow(went_on: Night, tmp_path: Path) -> None:
    root = went_on.paths.root
    before = {path.name: path.read_bytes() for path in (root / "analysis.md", root / "memory.md", root / "winner.yaml")}
    rebuild(root)
    assert {name: (root / name).read_bytes() for name in before} == before
    with opened(export(root, tmp_path / "a.tar.gz")) as folder:
        assert faults(folder) == []


def test_another_configs_folder_gives_the_same_nodes(begun: tuple[Path, Path], tmp_path: Path) -> None:
    file, first = begun
    root, data = open_imported(first / "analysis.md", file, None, first / "slots", tmp_path / "runs", dry_run=True)
    assert len(data["configs"]) == 20
    assert data["nodes"][6]["origin"] == "config from 0007/config.yaml"
    assert data["reset"] == []
    assert faults(root) == []
    night = play(file, root, 2)
    assert faults(night.paths.root) == []


def test_a_changed_import_is_found_by_a_replay(begun: tuple[Path, Path], tmp_path: Path) -> None:
    file, first = begun
    root, data = open_imported(first / "analysis.md", file, None, None, tmp_path / "runs", dry_run=True)
    (root / "blobs" / data["log"]).write_text("## Iter 1: failed\n")
    assert any("no longer matches its sha256" in fault for fault in faults(root))


def test_an_edit_of_an_imported_section_stops_the_night(begun: tuple[Path, Path], tmp_path: Path) -> None:
    file, first = begun
    root, _ = open_imported(first / "analysis.md", file, None, None, tmp_path / "runs", dry_run=True)
    night = open_night(file, root, dry_run=True)
    try:
        night.derived.flush()
        text = night.paths.log.read_text()
        night.paths.log.write_text(text.replace("Node: id=7, parent=", "Node: id=7, parent=1", 1))
        with pytest.raises(TreeError, match="node 7 stands there as `Node: id=7, parent=1"):
            run_night(night, MockLLM(), InlineEngine(), lambda *_: None, Budget(max_batches=1))
    finally:
        night.close()


def test_a_node_with_a_known_config_may_be_a_parent_and_another_may_not(tmp_path: Path) -> None:
    log = section(1, "root") + section(2, 1, "lr_ratio: 0.1 -> 0.05") + section(3, 1, "who knows")
    (tmp_path / "l.md").write_text(log)
    file = write_campaign(tmp_path / "c.yaml")
    root, _ = open_imported(tmp_path / "l.md", file, None, None, tmp_path / "runs", dry_run=True)
    night = play(file, root, 1)
    context = build_context(night)
    reply = answer(context)
    for parent, codes in ((2, []), (3, ["parent_missing"]), (4, ["parent_missing"]), (99, ["parent_future"])):
        mutation = render_mutation({"training.n_epochs": (2, 3)}, "exploit", parent)
        reply["slot_1"]["proposal"] |= {
            "role": "exploit",
            "parent": str(parent),
            "mutation": mutation,
            "edits": [{"key": "training.n_epochs", "value": 3}],
        }
        found = check(
            parse_reply(json.dumps(reply), Asked(context.n_parallel, start=False)), guard_facts(night, context)
        )
        told = [one for one in found.violations if one.slot == 1]
        assert [one.code for one in told] == codes, told
        if codes == ["parent_missing"]:
            assert told[0].allowed.endswith("from 5 to 8, or an imported node whose config is known")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nope.md", "c.yaml"], "nope.md: not found; give a log such as analysis.md"),
        ([".", "c.yaml"], ".: is no file; give a log such as analysis.md"),
        (["c.yaml", "c.yaml"], "c.yaml: holds no `## Iter N: status` section in"),
        (["l.md", "nope.yaml"], "nope.yaml: cannot be read"),
        (["l.md", "c.yaml", "--memory", "nope.md"], "nope.md: not found; give a memory such as memory.md"),
        (["l.md", "c.yaml", "--memory", "big.md"], "more than the 500 lines and 60,000 characters of a memory"),
        (["l.md", "c.yaml", "--memory", "odd.md"], "odd.md: is not UTF-8 text; give a memory"),
        (["l.md", "c.yaml", "--configs", "l.md"], "l.md: is no directory; give --configs a directory of files such as"),
        (["l.md", "c.yaml", "--configs", "empty"], "empty: holds no config that is named after its iteration"),
        (["l.md", "c.yaml", "--configs", "other"], "no file is named after an iteration of l.md (found iter_9.yaml)"),
    ],
)
def test_bad_input_is_one_sentence_and_opens_nothing(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_campaign(Path("c.yaml"))
    Path("l.md").write_text(section(1, "root"))
    Path("big.md").write_text("x\n" * 600)
    Path("odd.md").write_bytes(b"\xff")
    Path("empty").mkdir()
    Path("other").mkdir()
    Path("other/iter_9.yaml").write_text("a: 1\n")
    result = CliRunner().invoke(app, ["import", *options])
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)
    assert not Path("runs").exists()


def test_a_run_that_is_there_is_left_alone_and_nothing_is_left_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_campaign(Path("c.yaml"))
    Path("l.md").write_text(section(1, "root") + section(2, 1, "who knows"))
    result = CliRunner().invoke(app, ["import", "l.md", "c.yaml", "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "opened with 2 imported nodes of l.md, none of their figures verified; 1 may be named" in result.output
    assert "node 2: config not known: its `Mutation:` line says no change of node 1: who knows" in result.output
    assert result.output.endswith("Go on with: nightfly run c.yaml --dry-run\n")
    again = CliRunner().invoke(app, ["import", "l.md", "c.yaml"])
    assert "runs/surrogate: exists already; move it away" in str(again.exception)
    assert os.listdir("runs") == ["surrogate"]

    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Night, "record", fails)
    broken = CliRunner().invoke(app, ["import", "l.md", "c.yaml", "--runs-dir", "elsewhere"])
    assert isinstance(broken.exception, OSError)
    assert os.listdir("elsewhere") == []


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of published logs is not here")
def test_published_logs_are_taken_as_far_as_they_go(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    log = CORPUS / "signal_chaotic_1_Claude_analysis.md"
    root, data = open_imported(log, file, None, None, tmp_path / "runs", dry_run=True)
    assert len(data["nodes"]) == 35
    # Another experiment: none of its configs is one of this campaign.
    assert all(node["departures"] is None for node in data["nodes"])
    assert data["first_iteration"] == 37
    assert faults(root) == []
    night = play(file, root, 2)
    assert faults(night.paths.root) == []
    # An extract in which four entries bear the ids of others.
    with pytest.raises(UserError, match=r"line 797: Iter 65 has the id 69, expected 65, .*\(and 7 more such\)"):
        open_imported(CORPUS / "signal_sparse_Claude_analysis.extract.md", file, None, None, tmp_path / "r2", True)
