"""A display that can no longer write: a closed pipe, a full disk, a terminal that is gone; the night goes on."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from pathlib import Path

from agent.replay.whole_run import replay_run
from state.journal import read_records
from tests.agent.conftest import write_campaign
from tests.agent.test_cli import COMMAND, ENVIRONMENT, ROOT

BATCHES = 6


class Driver:
    """`nightfly run` of a few batches, each alarm a line of a file."""

    def __init__(self, tmp_path: Path) -> None:
        self.root, self.alarms = tmp_path / "runs" / "surrogate", tmp_path / "alarms"
        file = write_campaign(tmp_path / "c.yaml", notify={"command": ["sh", "-c", f"cat >> {self.alarms}"]})
        self.command = [*COMMAND, "run", str(file), "--dry-run", "--runs-dir", str(tmp_path / "runs")]
        self.command += ["--batches", str(BATCHES)]

    def ends_well(self, code: int) -> None:
        assert code == 0
        *_, last = read_records(self.root / "journal.jsonl")
        assert (last.type, last.batch) == ("budget_stop", BATCHES)
        assert replay_run(self.root).passed

    def has_told(self) -> None:
        assert "the display has fallen silent" in self.alarms.read_text()


def test_pipes_that_nobody_reads(tmp_path: Path) -> None:
    driver = Driver(tmp_path)
    ends = [os.pipe() for _ in range(2)]
    process = subprocess.Popen(driver.command, env=ENVIRONMENT, cwd=ROOT, stdout=ends[0][1], stderr=ends[1][1])
    for end in ends:
        os.close(end[0])
        os.close(end[1])
    driver.ends_well(process.wait(120))
    driver.has_told()


def test_stderr_on_a_full_disk(tmp_path: Path) -> None:
    driver = Driver(tmp_path)
    # Every write to this device fails as on a disk without room.
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen(driver.command, env=ENVIRONMENT, cwd=ROOT, stdout=full, stderr=full)
        driver.ends_well(process.wait(120))
    driver.has_told()


def test_a_terminal_that_is_gone(tmp_path: Path) -> None:
    driver, (ours, theirs) = Driver(tmp_path), pty.openpty()
    process = subprocess.Popen(
        driver.command, env=ENVIRONMENT | {"TERM": "xterm"}, cwd=ROOT, stdout=theirs, stderr=theirs, stdin=theirs
    )
    os.close(theirs)
    end = time.monotonic() + 60
    while time.monotonic() < end and not (driver.root / "journal.jsonl").exists():
        time.sleep(0.02)
    os.close(ours)
    driver.ends_well(process.wait(120))


def test_the_exit_code_is_the_commands_own_whoever_listens(tmp_path: Path) -> None:
    words = [*COMMAND, "status", str(tmp_path)]
    with open("/dev/full", "wb") as full:
        process = subprocess.run(words, env=ENVIRONMENT, cwd=ROOT, stdout=full, stderr=full, check=False)
    assert process.returncode == 2
