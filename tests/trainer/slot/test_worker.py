"""The worker end to end, on a tiny network from a file and real photographs in motion."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from state.config import SlotConfig
from state.files import dump_yaml
from state.metrics import METRICS
from state.metrics_log import header
from state.paths import SlotPaths
from state.records import SlotResult
from trainer.fit.training import TrainingDiverged
from trainer.fly.connectome import Connectome
from trainer.fly.simulate import SimulationDiverged
from trainer.slot import attempt
from trainer.slot.progress import Progress
from trainer.slot.worker import main, run_folder, train_slot

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def config(slot_config: SlotConfig) -> SlotConfig:
    return slot_config


def lay_down(folder: Path, config: SlotConfig, config_hash: str | None = None) -> SlotPaths:
    paths = SlotPaths(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths.config.write_text(dump_yaml(config.model_dump()))
    job = {"run_id": "r7", "config_hash": config_hash or config.hash(), "time_limit_s": None}
    paths.job.write_text(json.dumps(job))
    return paths


def test_a_slot_leaves_everything_and_the_result_last(tmp_path: Path, config: SlotConfig) -> None:
    paths = lay_down(tmp_path / "slot", config)
    assert main([str(paths.root)]) == 0
    result = SlotResult.model_validate(json.loads(paths.result.read_bytes()))
    assert (result.run_id, result.config_hash, result.status) == ("r7", config.hash(), "done")
    assert tuple(sorted(result.metrics)) == tuple(sorted(METRICS))
    assert set(result.missing) == {name for name, value in result.metrics.items() if value is None}
    assert all(math.isfinite(value) for value in result.metrics.values() if value is not None)
    assert result.metrics["connectivity_R2"] is not None
    assert {"data", "training", "evaluation"} <= set(result.seconds)
    assert result.peak_memory_mb is not None
    assert result.peak_memory_mb > 10
    assert result.truth == "tiny truth of the tests"
    lines = paths.metrics_log.read_text().splitlines()
    assert lines[0] == header()
    assert [line.split(",")[0::5] for line in lines[1:]] == [[str(p.epoch), p.phase] for p in result.trajectory]
    for picture in paths.pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size > 10_000
    newest = max((path for path in paths.root.iterdir()), key=lambda path: path.stat().st_mtime_ns)
    assert newest == paths.result
    assert json.loads(paths.progress.read_text())["stage"] == "done"


def test_equal_configs_give_equal_metrics(tmp_path: Path, config: SlotConfig) -> None:
    one, two = (train_slot(config, tmp_path / name, "r", config.hash()) for name in ("one", "two"))
    other = train_slot(config.replaced({"simulation.seed": 5}), tmp_path / "three", "r", "")
    for result in (one, two, other):
        assert result.status == "done"
        result.metrics.pop("training_time_min")
    assert one.metrics == two.metrics
    assert one.trajectory == two.trajectory
    assert one.metrics != other.metrics


def test_a_config_edited_after_planning_is_refused(tmp_path: Path, config: SlotConfig) -> None:
    paths = lay_down(tmp_path / "slot", config, config_hash="0" * 64)
    assert main([str(paths.root)]) == 3
    result = SlotResult.model_validate(json.loads(paths.result.read_bytes()))
    assert result.failure is not None
    assert result.failure.kind == "rejected"
    assert "config.yaml" in result.failure.message
    assert result.config_hash == "0" * 64


def test_an_unreadable_config_is_invalid(tmp_path: Path, config: SlotConfig) -> None:
    paths = lay_down(tmp_path / "slot", config)
    paths.config.write_text("training:\n  learning_rate: 3\n")
    result = run_folder(paths.root)
    assert result.failure is not None
    assert result.failure.kind == "invalid_config"
    assert "learning_rate" in result.failure.message


@pytest.mark.parametrize("content", [None, "", "[1]", '{"run_id": "r"}', "{"])
def test_a_broken_job_is_rejected(content: str | None, tmp_path: Path, config: SlotConfig) -> None:
    paths = lay_down(tmp_path / "slot", config)
    paths.job.unlink() if content is None else paths.job.write_text(content)
    assert main([str(paths.root)]) == 3
    failure = SlotResult.model_validate(json.loads(paths.result.read_bytes())).failure
    assert failure is not None
    assert failure.kind == "rejected"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TrainingDiverged(750), "diverged"),
        (SimulationDiverged("too far"), "diverged"),
        (MemoryError(), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
        (ZeroDivisionError("two\nlines"), "crashed"),
    ],
)
def test_every_failure_has_its_kind(
    error: Exception, kind: str, tmp_path: Path, config: SlotConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(attempt, "course", fail)
    result = train_slot(config, tmp_path / "slot", "r", config.hash())
    assert result.status == "failed"
    assert result.failure is not None
    assert result.failure.kind == kind
    assert "\n" not in result.failure.message
    if isinstance(error, TrainingDiverged):
        assert "750" in result.failure.message


def test_a_real_divergence_ends_the_slot(tmp_path: Path, config: SlotConfig) -> None:
    config = config.replaced({"training.learning_rate_start": 1.0, "training.data_augmentation_loop": 60})
    config = config.replaced({"training.learning_rate_W_start": 1.0, "training.coeff_g_phi_diff": 1e38})
    result = train_slot(config, tmp_path / "slot", "r", config.hash())
    assert result.failure is not None
    assert result.failure.kind == "diverged"


def test_files_of_an_earlier_attempt_are_gone_before_work_begins(
    tmp_path: Path, config: SlotConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = lay_down(tmp_path / "slot", config)
    old = (paths.result, paths.metrics_log, *paths.pictures)
    for path in old:
        path.write_text("old")
    seen: list[bool] = []

    def look(*_: object) -> Connectome:
        seen.extend(path.exists() for path in old)
        raise MemoryError

    monkeypatch.setattr(attempt, "load_connectome", look)
    run_folder(paths.root)
    assert seen == [False] * len(old)


def test_progress_is_heard_stage_by_stage(tmp_path: Path, config: SlotConfig) -> None:
    heard: list[Progress] = []
    train_slot(config, tmp_path / "slot", "r", config.hash(), heard.append)
    stages = list(dict.fromkeys(progress.stage for progress in heard))
    assert stages == ["connectome", "simulation", "training", "evaluation", "done"]
    last = [progress for progress in heard if progress.stage == "training"][-1]
    assert last.iteration == last.total == 80
    assert last.metrics["connectivity_R2"] is not None


def test_usage_errors_exit_with_two(tmp_path: Path) -> None:
    assert main([]) == 2
    assert main([str(tmp_path / "missing")]) == 2


def test_sigterm_ends_the_worker_promptly_without_a_result(tmp_path: Path, config: SlotConfig) -> None:
    paths = lay_down(tmp_path / "slot", config.replaced({"training.data_augmentation_loop": 1000}))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    worker = subprocess.Popen([sys.executable, "-m", "trainer.slot", str(paths.root)], env=environment)
    try:
        deadline = time.monotonic() + 60
        while not (paths.metrics_log.exists() and len(paths.metrics_log.read_text().splitlines()) > 1):
            assert worker.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == -signal.SIGTERM
    finally:
        worker.kill()
    assert not paths.result.exists()


def test_running_out_of_memory_for_real_is_told_apart(tmp_path: Path, config: SlotConfig) -> None:
    """4e8 frames of 42 neurons do not fit into 8 GiB of address space."""
    paths = lay_down(tmp_path / "slot", config.replaced({"simulation.n_frames": 400_000_000}))
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33));"
    code = f"{limit} from trainer.slot.worker import main; sys.exit(main([{str(paths.root)!r}]))"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    failure = SlotResult.model_validate(json.loads(paths.result.read_bytes())).failure
    assert failure is not None
    assert failure.kind == "out_of_memory"
    assert len(failure.message) > 20
