"""Every derived file comes back from journal and blobs, byte for byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent.commands.rebuild import rebuild
from agent.night.night import open_night
from agent.replay.whole_run import replay_run
from agent.report.write import write_report
from state.errors import JournalError, RunError
from state.paths import RunPaths
from tests.agent.conftest import write_campaign
from tests.agent.replay.conftest import play

TRUTH = ("journal.jsonl", "blobs", "slots", "user_input.md")


def derived(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != "driver.lock")
    names = {str(path.relative_to(root)): path for path in files}
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith(TRUTH)}


def test_what_is_deleted_or_spoiled_is_written_anew_with_the_same_bytes(tmp_path: Path) -> None:
    root = play(tmp_path / "run")
    write_report(root)
    want = derived(root)
    assert {"analysis.md", "memory.md", "ucb_scores.txt", "tree.png", "campaign.yaml", "report/index.html"} <= set(want)
    assert "snapshots/block_002_instruction.md" in want
    for name in want:
        (root / name).unlink()
    (root / "memory.md").write_text("forged")
    assert not replay_run(root).passed
    written = rebuild(root)
    assert {str(path.relative_to(root)) for path in written} == set(want)
    assert derived(root) == want
    assert replay_run(root).passed
    rebuild(root)
    assert derived(root) == want


def test_a_log_that_someone_changed_is_kept_aside(tmp_path: Path) -> None:
    root = play(tmp_path / "run", 1)
    log = root / "analysis.md"
    want = log.read_bytes()
    log.write_bytes(want + b"a note of mine\n")
    rebuild(root)
    assert log.read_bytes() == want
    assert b"a note of mine" in next(root.glob("analysis.md.changed-*")).read_bytes()


def test_no_run_a_working_driver_and_damage_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no nightfly run"):
        rebuild(tmp_path)
    root = play(tmp_path / "run", 1)
    night = open_night(write_campaign(tmp_path / "campaign.yaml", claude={"pictures": True}), root, dry_run=True)
    with pytest.raises(RunError, match="another driver is at work"):
        rebuild(root)
    night.close()
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    journal = RunPaths(copy).journal
    journal.write_bytes(journal.read_bytes().replace(b'"role":"baseline"', b'"role":"explore"', 1))
    with pytest.raises(JournalError, match="line"):
        rebuild(copy)
