"""Asking a scheduler in the evening whether it would take a slot, without handing one over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from state.engine import EngineConfig
from state.errors import UserError
from tests.trainer.engines.conftest import Bench
from trainer.engines.factory import make_scheduler
from trainer.engines.scheduler import Unreachable

MakeBench = Callable[[str], Bench]


def probe(bench: Bench, **changes: object) -> str:
    kind = str(bench.settings["kind"])
    settings = bench.settings | {kind: bench.settings[kind] | changes}
    return make_scheduler(EngineConfig.model_validate(settings))[0].probe(600)


@pytest.mark.parametrize("kind", ["lsf", "slurm", "slurm-ssh", "ray"])
def test_what_answers_says_so_and_gets_no_job(make_bench: MakeBench, kind: str) -> None:
    bench = make_bench(kind)
    scheduler = make_scheduler(bench.config)[0]
    before = set(scheduler.jobs())
    assert probe(bench)
    assert set(scheduler.jobs()) == before


@pytest.mark.parametrize(
    ("kind", "changes", "says"),
    [
        ("lsf", {"queue": "nowhere"}, "No such queue"),
        ("slurm", {"partition": "nowhere"}, "partition"),
        ("slurm", {"gres": "gpu:99"}, "not available"),
        ("slurm-ssh", {"options": ["--qqq"]}, "--qqq"),
    ],
)
def test_what_would_be_refused_is_told_in_the_evening(
    make_bench: MakeBench, kind: str, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(UserError) as caught:
        probe(make_bench(kind), **changes)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_silent_scheduler_is_unreachable(make_bench: MakeBench, tmp_path: Path) -> None:
    bench = make_bench("lsf")
    (tmp_path / "lsf" / "down").touch()
    with pytest.raises(Unreachable, match="LSF is down"):
        probe(bench)


@pytest.mark.parametrize("kind", ["slurm", "lsf"])
def test_a_machine_without_the_commands_says_which_is_missing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"engine: no command (sbatch|bqueues) on this machine; install it"):
        make_scheduler(EngineConfig.model_validate({"kind": kind}))[0].probe(600)


def test_a_host_without_a_login_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\necho "ssh: connect to host login.example port 22: Connection refused" >&2\nexit 255\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    config = EngineConfig.model_validate({"kind": "slurm", "slurm": {"login_host": "login.example"}})
    with pytest.raises(Unreachable, match=r"ssh login\.example: .*Connection refused"):
        make_scheduler(config)[0].probe(600)
