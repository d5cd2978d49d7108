"""A watchdog tells a driver that died from one that ended and one that works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.people.heartbeat import STALE_S, has_died, read_heartbeat, watch
from state.errors import RunError
from state.files import write_atomic
from state.paths import RunPaths
from tests.agent.conftest import write_campaign

ROOT = Path(__file__).resolve().parents[3]


def start(tmp_path: Path, batches: int) -> subprocess.Popen[bytes]:
    out = tmp_path / "out"
    script = f"import sys;open({str(out)!r},'a').write(sys.stdin.read()+'\\n')"
    file = write_campaign(tmp_path / "c.yaml", notify={"command": [sys.executable, "-c", script]})
    command = [sys.executable, "-m", "agent.cli", "run", str(file), "--dry-run", "--runs-dir", str(tmp_path)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen([*command, "--batches", str(batches)], cwd=ROOT, stdout=quiet, stderr=quiet)


def test_a_killed_driver_is_noticed_and_told_an_ended_one_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "surrogate"
    driver = start(tmp_path, 10_000)
    limit = time.monotonic() + 60
    while not RunPaths(root).heartbeat.exists():
        assert time.monotonic() < limit
        time.sleep(0.05)
    assert watch(root, 1.0, once=True) == 0
    assert "is at work" in capsys.readouterr().out
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    assert watch(root, 1.0, once=False) == 1
    assert f"pid {driver.pid}" in capsys.readouterr().out
    assert '"event": "driver_died"' in (tmp_path / "out").read_text()
    assert start(tmp_path, 1).wait() == 0
    assert watch(root, 1.0, once=False) == 0
    assert "has ended by itself" in capsys.readouterr().out


def test_on_another_host_only_an_old_beat_counts(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    write_atomic(paths.heartbeat, '{"time": 1000.0, "host": "elsewhere", "ended": false}')
    assert not has_died(paths, 1000.0 + STALE_S / 2)
    assert has_died(paths, 1000.0 + 2 * STALE_S)


def test_a_directory_without_a_driver_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no driver has run here"):
        watch(tmp_path, 1.0, once=True)
    write_atomic(RunPaths(tmp_path).heartbeat, "[1, 2")
    assert read_heartbeat(RunPaths(tmp_path).heartbeat) is None
