"""Stand-in workers and helpers for the tests of engines: a job's folder holds the few lines that its worker runs."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from state.engine import EngineConfig
from state.metrics import METRICS
from state.records import SlotResult
from trainer.engines.contract import Dispatcher, Ended, Job
from trainer.engines.factory import make_queued
from trainer.engines.local import LocalEngine
from trainer.engines.processes import process_start

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 90

WORKER = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
with (folder / "runs").open("a") as file:
    file.write("x")
def publish(name, text):
    (folder / ".part").write_text(text)
    (folder / ".part").rename(folder / name)
def wait_for(path):
    for _ in range(10_000):
        if path.exists():
            return
        time.sleep(0.01)
    sys.exit("nobody came")
def succeed():
    publish("result.json", (folder / "good.json").read_text())
def stubborn_child():
    child = subprocess.Popen([sys.executable, "-c",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(200)"],
        stdout=subprocess.PIPE)
    child.stdout.readline()
    return child.pid
exec((folder / "task.py").read_text())
"""
FAMILY = 'publish("pids", f"{os.getpid()} {stubborn_child()}"); time.sleep(200)'
STUBBORN_FAMILY = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); {FAMILY}"
WAITS = 'publish("pids", str(os.getpid())); wait_for(folder / "go"); succeed()'

DRIVER = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.trainer.engines.workers import build
from state.engine import EngineConfig
from trainer.engines.contract import Job
config, worker, gpus, *folders = sys.argv[2:]
engine = build(EngineConfig.model_validate_json(config), (sys.executable, worker), tuple(gpus.split()))
engine.submit([Job(Path(f).name, "h", Path(f), 1000) for f in folders])
while True:
    engine.poll()
    time.sleep(0.05)
"""


def build(config: EngineConfig, worker: tuple[str, str], gpus: tuple[str, ...] = ()) -> Dispatcher:
    """The engine of ``config`` with a stand-in worker; the local one with two places, on ``gpus``."""
    if config.kind == "local":
        return LocalEngine(places=config.slots_at_once or 2, threads=1, gpus=gpus, worker=worker)
    return make_queued(config, worker)


def job(tmp_path: Path, name: str, task: str, limit_s: float = 1000) -> Job:
    """A job whose worker runs ``task``; `succeed()` in it publishes a valid result."""
    folder = tmp_path / name
    folder.mkdir()
    result = SlotResult(run_id=name, config_hash="h", status="done", metrics=dict.fromkeys(METRICS, 0.5))
    (folder / "good.json").write_text(result.model_dump_json())
    (folder / "task.py").write_text(textwrap.dedent(task))
    return Job(run_id=name, config_hash="h", folder=folder, time_limit_s=limit_s)


def until(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of ``condition``; fails after a time far beyond any that is needed."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"never happened: {what}")


def ended(engine: Dispatcher, n: int) -> dict[str, Ended]:
    """The next ``n`` ends by run id, none of them told twice."""
    seen: dict[str, Ended] = {}

    def poll() -> bool:
        for end in engine.poll()[1]:
            assert end.job.run_id not in seen
            seen[end.job.run_id] = end
        return len(seen) >= n

    until(poll, f"{n} jobs end")
    return seen


def began(engine: Dispatcher, one: Job) -> None:
    """Polls until the worker of ``one`` has written its pids; nothing may end meanwhile."""

    def poll() -> bool:
        assert engine.poll()[1] == []
        return (one.folder / "pids").exists()

    until(poll, f"{one.run_id} begins")


def pids(one: Job) -> list[int]:
    """The processes that the worker of ``one`` told of."""
    text = until(lambda: (one.folder / "pids").exists() and (one.folder / "pids").read_text(), "pids are written")
    return [int(word) for word in text.split()]


def gone(numbers: list[int]) -> bool:
    """Whether none of the processes lives."""
    return all(process_start(pid) is None for pid in numbers)


def runs(one: Job) -> int:
    """How often a worker began in the folder of ``one``."""
    path = one.folder / "runs"
    return len(path.read_text()) if path.exists() else 0


def killed_driver(config: EngineConfig, worker: tuple[str, str], jobs: list[Job], gpus: str = "") -> None:
    """Another process submits ``jobs`` and is killed while its workers live; ``gpus``: those of the local engine."""
    folders = [str(one.folder) for one in jobs]
    command = [sys.executable, "-c", DRIVER, str(ROOT), config.model_dump_json(), worker[1], gpus, *folders]
    driver = subprocess.Popen(command, cwd=ROOT)
    try:
        for one in jobs:
            pids(one)
    finally:
        driver.kill()
        driver.wait()


def read_json(path: Path) -> Any:
    """The JSON in ``path``."""
    return json.loads(path.read_text())
