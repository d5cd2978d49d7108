"""The tree of a night is read from its log file: another tree there stops the night, other edits are kept and told."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import pytest

from agent.claude.mock import MockLLM
from agent.night.log_file import LogFile
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.people.display import Display
from state.evening import Budget
from state.history import Iteration
from tests.agent.conftest import play, write_campaign
from tests.agent.test_cli import here, nightfly
from trainer.engines.inline import InlineEngine
from ucb.log import render_header
from ucb.tree import TreeError


def go_on(night: Night, batches: int, edit: tuple[str, str] | None = None) -> None:
    """Go on to ``batches`` in all; while the last of them trains, somebody replaces words of the log."""

    def watch(at: Night, waiting: list[Iteration]) -> None:
        if edit and at.history.planned == batches and not waiting:
            text = at.paths.log.read_text()
            assert edit[0] in text
            at.paths.log.write_text(text.replace(*edit))

    run_night(night, MockLLM(), InlineEngine(), watch, Budget(max_batches=batches))


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("id=3, parent=root", "id=3, parent=1", r"analysis.md line \d+: node 3 stands there as `Node: id=3, parent=1`"),
        (
            "[none] — baseline, campaign defaults unchanged",
            "n_epochs: 2 -> 3",
            r"node 1 .*`Mutation: n_epochs: 2 -> 3`",
        ),
        ("Config: lr_W=0.0005", "Config: lr_W=0.0006", "node 1 stands there as `Config: lr_W=0.0006"),
        ("## Iter 4:", "## Iter 44:", "node 4 stands there as `## Iter 44`, the journal has `## Iter 4`"),
    ],
)
def test_another_tree_in_the_log_stops_the_night_before_anything_is_dispatched(
    campaign_file: Path, tmp_path: Path, old: str, new: str, found: str
) -> None:
    root = tmp_path / "r"
    night = open_night(campaign_file, root, True)
    go_on(night, 1)
    with pytest.raises(TreeError, match=found):
        go_on(night, 2, (old, new))
    assert night.history.planned == night.history.committed == 2
    night.close()
    # Mended by hand: the night goes on as if nothing had been.
    root.joinpath("analysis.md").write_text(root.joinpath("analysis.md").read_text().replace(new, old))
    play(campaign_file, root, 3)
    assert root.joinpath("analysis.md").read_bytes() == play(campaign_file, tmp_path / "u", 3).paths.log.read_bytes()
    assert list(root.glob("analysis.md.changed-*")) == []


def test_an_edit_waits_to_be_seen_while_nothing_is_written(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a.md", render_header("n"), lambda: render_header("n") + "> first\n> second\n")
    log.add("> first\n")
    log.flush()
    log.path.write_text("mine\n")
    assert log.flush() == ""
    log.add("> second\n")
    assert log.flush()
    assert "somebody changed the log" in log.notes[0]
    assert log.path.read_text() == render_header("n") + "> first\n> second\n"


def test_left_as_it_is_the_edit_is_kept_aside_and_told_at_the_next_start(campaign_file: Path, tmp_path: Path) -> None:
    night = open_night(campaign_file, tmp_path / "r", True)
    go_on(night, 1)
    with pytest.raises(TreeError):
        go_on(night, 2, ("id=3, parent=root", "id=3, parent=1"))
    night.close()
    night = open_night(campaign_file, tmp_path / "r", True)
    assert len(night.derived.log.notes) == 1
    assert (
        "(node 3) held `Node: id=3, parent=1`, the journal has `Node: id=3, parent=root`" in night.derived.log.notes[0]
    )
    go_on(night, 3)
    night.close()
    assert "parent=1" in next(night.paths.root.glob("analysis.md.changed-*")).read_text()


def test_an_edit_of_the_prose_is_kept_aside_and_told_while_the_night_goes_on(
    campaign_file: Path, tmp_path: Path
) -> None:
    night = open_night(campaign_file, tmp_path / "r", True)
    go_on(night, 1)
    go_on(night, 2, ("Observation: ", "Observation: I doubt it. "))
    go_on(night, 3)
    night.close()
    assert len(night.derived.log.notes) == 1
    assert "line 17 (node 1) held `Observation: I doubt it." in night.derived.log.notes[0]
    assert "I doubt it." in next(night.paths.root.glob("analysis.md.changed-*")).read_text()
    assert "I doubt it." not in night.paths.log.read_text()


def test_an_edit_that_leaves_the_length_as_it_was_is_seen(campaign_file: Path, tmp_path: Path) -> None:
    night = open_night(campaign_file, tmp_path / "r", True)
    go_on(night, 1)
    with pytest.raises(TreeError, match=r"node 2 .*parent=1234"):
        go_on(night, 2, ("id=2, parent=root", "id=2, parent=1234"[: len("id=2, parent=root")]))
    night.close()


def test_a_night_does_not_run_on_without_networkx(
    campaign_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("networkx is broken")

    night = open_night(campaign_file, tmp_path / "r", True)
    monkeypatch.setattr(nx.DiGraph, "add_edge", broken)
    with pytest.raises(RuntimeError, match="networkx is broken"):
        go_on(night, 3)
    assert night.history.planned == night.history.committed == 1
    night.close()
    with pytest.raises(RuntimeError, match="networkx is broken"):
        open_night(campaign_file, tmp_path / "r", True)
    monkeypatch.undo()
    assert play(campaign_file, tmp_path / "r", 3).history.committed == 3


def test_scores_parents_and_picture_are_read_from_the_tree_of_the_file(campaign_file: Path, tmp_path: Path) -> None:
    night = open_night(campaign_file, tmp_path / "r", True)
    go_on(night, 3)
    views = night.views
    graph = views.tree.graph
    assert sorted(graph.nodes, key=str) == sorted([*range(1, 13), "root"], key=str)
    assert views.scores(3).scores[0].node in range(9, 13)
    assert views.parent_config(12) is not None
    graph.remove_node(12)
    assert views.parent_config(12) is None
    assert [score.node for score in views.scores(3).scores if score.node == 12] == []
    assert 12 not in [node.id for node in views.tree.nodes()]
    night.close()


def test_the_command_says_the_sentence_and_journals_it(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    root = tmp_path / "runs" / "surrogate"
    nightfly("run", str(file), "--dry-run", "--batches", "1", "--runs-dir", str(tmp_path / "runs"))
    log = root / "analysis.md"
    log.write_text(log.read_text().replace("id=3, parent=root", "id=3, parent=1"))
    done = nightfly("run", str(root), "--batches", "2")
    assert done.returncode == 0
    assert "somebody changed the log: analysis.md line" in done.stderr
    assert "(node 3) held `Node: id=3, parent=1`" in done.stderr
    kinds = [json.loads(row)["type"] for row in (root / "journal.jsonl").read_text().splitlines()]
    assert kinds.count("batch_committed") == 3


def test_the_command_ends_with_the_sentence_that_it_journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def watch(display: Display, night: Night, waiting: list[Iteration]) -> None:
        if night.history.planned == 2 and not waiting:
            night.paths.log.write_text(night.paths.log.read_text().replace("id=3, parent=root", "id=3, parent=1"))

    monkeypatch.setattr(Display, "watch", watch)
    file = write_campaign(tmp_path / "c.yaml")
    code, _, said = here("run", file, "--dry-run", "--batches", 3, "--runs-dir", tmp_path / "runs")
    assert code == 2
    assert "node 3 stands there as `Node: id=3, parent=1`" in said
    last = json.loads((tmp_path / "runs" / "surrogate" / "journal.jsonl").read_text().splitlines()[-1])
    assert last["type"] == "driver_stopped"
    assert last["data"]["reason"] in said
