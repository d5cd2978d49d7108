"""A run directory that is moved, removed, or driven by two: one sentence, nothing written, nothing broken."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.claude.mock import MockLLM
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.people.heartbeat import Heartbeat
from agent.replay.whole_run import replay_run
from state.errors import JournalError
from state.evening import Budget, Notify
from state.journal import Record, read_records
from tests.agent.conftest import play, write_campaign
from tests.agent.test_cli import COMMAND, ENVIRONMENT, ROOT
from trainer.engines.inline import InlineEngine


def drive(night: Night, at: int, happens: Callable[[], None], batches: int = 3) -> None:
    """Go on with ``night``; right after its ``at``-th record of this evening ``happens`` happens."""
    seen = [0]

    def watch(record: Record) -> None:
        seen[0] += 1
        if seen[0] == at:
            happens()

    night.observers.append(watch)
    try:
        run_night(night, MockLLM(), InlineEngine(), lambda *_: None, Budget(max_batches=batches))
    finally:
        night.close()


@pytest.mark.parametrize("at", [1, 4, 5, 8, 13, 14, 17, 30])
@pytest.mark.parametrize("how", ["moved", "removed"])
def test_a_directory_taken_away_is_not_made_again(how: str, at: int, tmp_path: Path) -> None:
    file, root, away = write_campaign(tmp_path / "c.yaml"), tmp_path / "r", tmp_path / "elsewhere"
    night = open_night(file, root, dry_run=True)
    take = (lambda: shutil.move(root, away)) if how == "moved" else (lambda: shutil.rmtree(root))
    with pytest.raises((JournalError, OSError)) as caught, Heartbeat(night.paths.heartbeat, "c", Notify()):
        drive(night, at, take)
    if isinstance(caught.value, JournalError):
        assert "was moved or removed while the night ran" in str(caught.value)
    left = [path for path in root.rglob("*") if path.is_file()] if root.exists() else []
    assert not left, left
    if how == "moved":
        assert play(file, away, 3).history.committed == 3
        assert replay_run(away).passed


@pytest.mark.parametrize("at", [1, 5, 9, 14, 21])
def test_of_two_drivers_the_first_stops_and_the_journal_stays_whole(at: int, tmp_path: Path) -> None:
    file, root = write_campaign(tmp_path / "c.yaml"), tmp_path / "r"
    first = open_night(file, root, dry_run=True)

    def second() -> None:
        first.paths.lock.unlink()
        play(file, root, 2)

    with pytest.raises(JournalError, match="another one is at work on the run"):
        drive(first, at, second)
    assert replay_run(root).passed
    assert play(file, root, 3).history.committed == 3


def test_another_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    file, root = write_campaign(tmp_path / "c.yaml"), tmp_path / "r"
    night = open_night(file, root, dry_run=True)

    def replace() -> None:
        content = night.paths.journal.read_bytes()
        night.paths.journal.unlink()
        night.paths.journal.write_bytes(content)

    with pytest.raises(JournalError, match="another file than the one this driver opened"):
        drive(night, 6, replace)
    assert play(file, root, 2).history.committed == 2


def test_a_driver_whose_directory_goes_ends_with_a_sentence_and_an_alarm(tmp_path: Path) -> None:
    alarm = tmp_path / "alarms"
    write = f"import sys; open({str(alarm)!r}, 'a').write(sys.stdin.read())"
    file = write_campaign(tmp_path / "c.yaml", notify={"command": [sys.executable, "-c", write]})
    command = [*COMMAND, "run", str(file), "--dry-run", "--runs-dir", str(tmp_path / "runs"), "--batches", "100000"]
    driver = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    root, end = tmp_path / "runs" / "surrogate", time.monotonic() + 60
    while time.monotonic() < end and not (root / "analysis.md").exists():
        time.sleep(0.05)
    os.rename(root, tmp_path / "elsewhere")
    try:
        _, err = driver.communicate(timeout=60)
    finally:
        driver.send_signal(signal.SIGKILL)
    assert driver.returncode == 2
    assert "Traceback" not in err
    assert "was moved or removed while the night ran" in err.splitlines()[-1]
    assert "was moved or removed" in alarm.read_text()
    assert not root.exists()
    assert list(read_records(tmp_path / "elsewhere" / "journal.jsonl"))
