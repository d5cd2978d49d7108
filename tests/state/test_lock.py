"""One driver a run."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from state.errors import RunError
from state.lock import DriverLock, is_held, read_holder

HOLDER = "import sys, time; from pathlib import Path; from state.lock import DriverLock\n"
HOLDER += "lock = DriverLock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"


def test_a_second_driver_is_refused_and_told_who(tmp_path: Path) -> None:
    path = tmp_path / "driver.lock"
    lock = DriverLock(path)
    assert is_held(path)
    with pytest.raises(RunError, match=f"pid {os.getpid()}"):
        DriverLock(path)
    lock.release()
    assert not is_held(path)
    DriverLock(path).release()


def test_someone_asking_for_the_state_of_a_run_does_not_keep_its_driver_out(tmp_path: Path) -> None:
    path = tmp_path / "driver.lock"
    path.touch()
    with path.open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        answered = threading.Timer(0.03, asking.close)
        answered.start()
        lock = DriverLock(path)
    answered.join()
    assert is_held(path)
    lock.release()


def test_the_lock_of_a_killed_driver_is_free(tmp_path: Path) -> None:
    path = tmp_path / "driver.lock"
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "held"
    with pytest.raises(RunError, match=f"pid {process.pid}"):
        DriverLock(path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    DriverLock(path).release()
    assert read_holder(path)["pid"] == os.getpid()
