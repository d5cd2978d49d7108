"""One archive holds a run; it is the same for the same run, and replays elsewhere."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from agent.night.night import open_night
from agent.replay.archive import export, opened
from agent.replay.command import replay_command
from agent.replay.whole_run import replay_run
from state.errors import RunError
from tests.agent.conftest import write_campaign
from tests.agent.replay.conftest import play


def test_an_archive_replays_and_leaves_out_what_passes(tmp_path: Path) -> None:
    root = play(tmp_path / "run")
    (root / "slots" / "0001" / "checkpoint.pt").write_bytes(b"x" * 1000)
    (root / "slots" / "0001" / "progress.json").write_text("{}")
    packed = export(root, None)
    assert packed == tmp_path / "run.tar.gz"
    with tarfile.open(packed) as archive:
        names = {Path(name).name for name in archive.getnames()}
    assert not names & {"checkpoint.pt", "progress.json", "driver.lock", "heartbeat.json"}
    assert {"journal.jsonl", "result.json", "activity.png", "user_input.md"} <= names
    with opened(packed) as elsewhere:
        assert elsewhere != root
        assert replay_run(elsewhere).passed
    assert not elsewhere.exists()
    assert replay_command(packed, None, None, False, None, False) == 0
    again = export(root, tmp_path / "again.tar.gz")
    assert again.read_bytes() == packed.read_bytes()


def test_what_cannot_be_packed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no nightfly run"):
        export(tmp_path, None)
    root = play(tmp_path / "run", 1)
    export(root, None)
    with pytest.raises(RunError, match="exists already"):
        export(root, None)
    night = open_night(write_campaign(tmp_path / "campaign.yaml", claude={"pictures": True}), root, dry_run=True)
    with pytest.raises(RunError, match="a driver is at work"):
        export(root, tmp_path / "other.tar.gz")
    night.close()


def archive(path: Path, names: list[str]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 1
            file.addfile(entry, io.BytesIO(b"x"))
    return path


@pytest.mark.parametrize("names", [["../outside"], ["/etc/outside"], ["a/x", "b/x"], ["only-a-file"]])
def test_a_foreign_archive_writes_nothing_outside_and_is_one_sentence(tmp_path: Path, names: list[str]) -> None:
    path = archive(tmp_path / "bad.tar.gz", names)
    with pytest.raises(RunError), opened(path) as root:
        replay_run(root)
    assert not (tmp_path / "outside").exists()
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(RunError, match="no whole archive"), opened(tmp_path / "text"):
        pass
