"""The engines of this machine, and those that `make test-engines` starts; each test of the contract runs with all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from state.engine import EngineConfig
from tests.trainer.engines import standins
from tests.trainer.engines.workers import WORKER, build
from trainer.engines.contract import Dispatcher

QUICK = {"poll_interval_s": 0.2, "lost_after_s": 0.5}


@dataclass
class Bench:
    """One kind of engine, ready to be built as often as a test needs it; closed after the test."""

    settings: dict[str, Any]
    worker: tuple[str, str]
    built: list[Dispatcher] = field(default_factory=list)

    @property
    def config(self) -> EngineConfig:
        """As a campaign would say it."""
        return EngineConfig.model_validate(self.settings)

    def build(self, **changes: Any) -> Dispatcher:
        """A new engine."""
        engine = build(EngineConfig.model_validate(self.settings | changes), self.worker)
        self.built.append(engine)
        return engine


@pytest.fixture
def worker(tmp_path: Path) -> tuple[str, str]:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    return sys.executable, str(script)


def settings_of(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The engine section of ``kind``; skips where its service was not started."""
    if kind == "local":
        return {"kind": "local"}
    if kind == "lsf":
        standins.install(tmp_path / "lsf")
        monkeypatch.setenv("PATH", f"{tmp_path / 'lsf'}{os.pathsep}{os.environ['PATH']}")
        return {"kind": "lsf", "lsf": QUICK}
    if kind == "ray":
        return {"kind": "ray", "ray": QUICK | {"address": service("RAY")}}
    if kind == "slurm":
        service("SLURM")
        return {"kind": "slurm", "slurm": QUICK}
    service("SLURM")
    ssh = service("SSH").split()
    # The login shell knows where the test's Slurm is only through its environment.
    return {"kind": "slurm", "slurm": QUICK | {"login_host": "127.0.0.1", "ssh_options": ssh}}


def service(name: str) -> str:
    """What the script of `make test-engines` says about a service it started."""
    value = os.environ.get(f"NIGHTFLY_TEST_{name}")
    if not value:
        reason = os.environ.get(f"NIGHTFLY_TEST_NO_{name}", "started by `make test-engines` only")
        pytest.skip(f"no {name.lower()} here: {reason}")
    return value


@pytest.fixture(params=["local", "lsf", "slurm", "slurm-ssh", "ray"])
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, worker: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """Each kind of engine in turn."""
    one = Bench(settings_of(request.param, tmp_path, monkeypatch), worker)
    yield one
    for engine in one.built:
        engine.close()


@pytest.fixture
def make_bench(
    tmp_path: Path, worker: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Bench]]:
    """A bench of one kind by name."""
    made: list[Bench] = []

    def make(kind: str) -> Bench:
        made.append(Bench(settings_of(kind, tmp_path, monkeypatch), worker))
        return made[-1]

    yield make
    for one in made:
        for engine in one.built:
            engine.close()
