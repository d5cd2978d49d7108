"""The files people read follow the journal, and what someone else wrote into the log is never lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.claude.mock import MockLLM
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.replay.whole_run import replay_run
from state.evening import Budget
from tests.agent.conftest import play, write_campaign
from trainer.engines.inline import InlineEngine


def aside(night: Night) -> list[bytes]:
    return [path.read_bytes() for path in sorted(night.paths.root.glob("analysis.md.changed-*"))]


def go_on(night: Night, batches: int) -> None:
    run_night(night, MockLLM(), InlineEngine(), lambda *_: None, Budget(max_batches=batches))


@pytest.fixture
def want(campaign_file: Path, tmp_path: Path) -> bytes:
    """The log of three undisturbed batches."""
    return play(campaign_file, tmp_path / "undisturbed", 3).paths.log.read_bytes()


def vandals() -> dict[str, object]:
    """What may happen to the log between two batches of one driver."""

    def append(path: Path) -> None:
        path.write_bytes(path.read_bytes() + "my own note é\n".encode())

    def cut(path: Path) -> None:
        os.truncate(path, 100)

    def shorten(path: Path) -> None:
        path.write_bytes(path.read_bytes().replace(b"converged", b"mine"))

    return {"append": append, "cut": cut, "shorten": shorten, "delete": Path.unlink}


@pytest.mark.parametrize("what", sorted(vandals()))
def test_a_log_changed_while_the_driver_works_is_mended_and_foreign_text_kept(
    what: str, campaign_file: Path, tmp_path: Path, want: bytes
) -> None:
    night = open_night(campaign_file, tmp_path / "r", True)
    go_on(night, 2)
    vandals()[what](night.paths.log)  # type: ignore[operator]
    changed = night.paths.log.read_bytes() if night.paths.log.exists() else b""
    go_on(night, 3)
    night.close()
    assert night.paths.log.read_bytes() == want
    assert aside(night) == ([] if want.startswith(changed) else [changed])


def test_a_log_that_a_crash_left_behind_is_completed_and_nothing_kept_aside(
    campaign_file: Path, tmp_path: Path, want: bytes
) -> None:
    night = play(campaign_file, tmp_path / "r", 3)
    for size in (0, 1, len(want) // 2, len(want) - 1):
        night.paths.log.write_bytes(want[:size])
        play(campaign_file, tmp_path / "r", 3)
        assert night.paths.log.read_bytes() == want
    assert aside(night) == []


def test_lost_files_come_back_at_the_next_opening(campaign_file: Path, tmp_path: Path) -> None:
    night = play(campaign_file, tmp_path / "r", 2)
    snapshots = sorted(night.paths.snapshots.iterdir())
    files = [night.paths.log, night.paths.memory, night.paths.scores, night.paths.winner, *snapshots]
    assert len(snapshots) == 8
    before = [path.read_bytes() for path in files]
    configs = sorted(night.paths.configs.iterdir())
    planned = [path.read_bytes() for path in configs]
    for path in (*files, *configs):
        path.unlink()
    play(campaign_file, tmp_path / "r", 2)
    assert [path.read_bytes() for path in files] == before
    assert [path.read_bytes() for path in configs] == planned


def test_the_memory_holds_the_models_text_and_the_programs_table(campaign_file: Path, tmp_path: Path) -> None:
    night = play(campaign_file, tmp_path / "r", 2)
    memory = night.paths.memory.read_text()
    assert "| C1 | " in memory
    assert night.blobs.text(night.history.memory).splitlines()[0] in memory
    assert "| C1 | " not in night.blobs.text(night.history.memory)


def test_blocks_need_not_be_whole_batches_long(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml", search={"n_iter_block": 6})
    night = play(file, tmp_path / "r", 5)
    log = night.paths.log.read_text()
    assert [log.count(f"## Block {number}\n") for number in (1, 2, 3, 4)] == [1, 1, 1, 0]
    assert log.index("## Block 2") < log.index("## Iter 9:") < log.index("## Iter 12:") < log.index("## Block 3")
    names = sorted(path.name for path in night.paths.snapshots.iterdir())
    assert [name[:9] for name in names if name.endswith("memory.md")] == ["block_001", "block_002", "block_003"]
    assert night.paths.scores.read_text().startswith("=== UCB Scores (block 3, iters 13-20, N=8,")
    assert replay_run(tmp_path / "r").passed
