"""A real miniature night through the command line: real connectome, real simulation, real training, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from state.journal import read_records
from state.metrics import METRICS
from state.paths import RunPaths
from state.records import SlotResult
from trainer.engines.local import WORKER
from trainer.engines.processes import find_workers

CAMPAIGN = """
name: tiny
simulation: {extent: 1, n_frames: 1600, n_sequences: 8, burn_in: 20, n_test_frames: 100}
graph_model: {hidden_dim: 16, hidden_dim_update: 16}
training: {batch_size: 4, data_augmentation_loop: LOOPS, n_metric_points: 4, learning_rate_W_start: 3e-3,
  learning_rate_start: 2e-3,
  coeff_g_phi_weight_L1: 0.015, coeff_f_theta_weight_L1: 5e-4, coeff_f_theta_weight_L2: 0}
explorable:
  training.alternate_joint_ratio: {choices: [0.3, 0.4, 0.5]}
search: {n_parallel: 2, n_iter_block: 2}
policy: {baseline_runs: 2, min_replicates: 1}
engine: {slots_at_once: 2, threads_per_slot: 1}
"""
PATIENCE_S = 120


@pytest.fixture
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """A cache that lives between test runs, so that flyvis builds the wiring once."""
    known = {k: v for k, v in os.environ.items() if k not in ("FLYVIS_ROOT_DIR", "DATAVIS_ROOT")}
    return known | {"NIGHTFLY_CACHE": str(request.config.cache.mkdir("connectome"))}


def start(
    folder: Path, environment: dict[str, str], loops: int, batches: int = 1, engine: str = "slots_at_once: 2"
) -> subprocess.Popen[str]:
    file = folder / "tiny.yaml"
    file.write_text(CAMPAIGN.replace("LOOPS", str(loops)).replace("slots_at_once: 2", engine))
    command = [sys.executable, "-m", "agent.cli", "run", str(file), "--dry-run", "--batches", str(batches)]
    command += ["--runs-dir", str(folder / "runs")]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out + err


def wait_for_training(folder: Path) -> None:
    """Until both slots of the first batch are in their training stage."""
    paths, limit = RunPaths(folder / "runs" / "tiny"), time.monotonic() + PATIENCE_S
    while time.monotonic() < limit:
        seen = [paths.slot(n).progress for n in (1, 2)]
        if all(path.exists() and json.loads(path.read_text())["stage"] == "training" for path in seen):
            return
        time.sleep(0.05)
    raise AssertionError("the slots never began to train")


def kinds(folder: Path) -> Counter[str]:
    return Counter(record.type for record in read_records(folder / "runs" / "tiny" / "journal.jsonl"))


def workers_of(folder: Path) -> list[int]:
    return [pid for place, pid in find_workers(WORKER[-1]).items() if place.startswith(str(folder))]


def test_a_batch_of_real_slots_leaves_everything_it_promises(tmp_path: Path, environment: dict[str, str]) -> None:
    code, said = finish(start(tmp_path, environment, loops=2))
    assert code == 0, said
    paths = RunPaths(tmp_path / "runs" / "tiny")
    for iteration in (1, 2):
        slot = paths.slot(iteration)
        result = SlotResult.model_validate_json(slot.result.read_text())
        assert result.status == "done"
        assert set(result.metrics) == set(METRICS)
        assert "synthetic truth" in result.truth
        assert "photographs" in result.stimulus
        rows = slot.metrics_log.read_text().splitlines()
        assert rows[0] == "epoch,iteration,connectivity_r2,vrest_r2,tau_r2,phase"
        assert {row.rsplit(",", 1)[1] for row in rows[1:]} == {"joint", "V_rest"}
        for picture in slot.pictures:
            assert picture.read_bytes().startswith(b"\x89PNG")
        assert slot.stderr.exists()
    assert paths.log.read_text().count("## Iter ") == 2
    assert paths.tree_picture.read_bytes().startswith(b"\x89PNG")
    assert "batch 1 slot 0" in said
    for options in ([], ["--retrain", "1"]):
        command = [sys.executable, "-m", "agent.cli", "replay", str(paths.root), *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "the record is confirmed" in done.stdout


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(tmp_path: Path, environment: dict[str, str]) -> None:
    process = start(tmp_path, environment, loops=60)
    wait_for_training(tmp_path)
    process.send_signal(signal.SIGINT)
    code, said = finish(process)
    assert code == 130, said
    assert "Continue with: nightfly run" in said
    assert "Traceback" not in said
    assert workers_of(tmp_path) == []
    assert kinds(tmp_path)["driver_stopped"] == 1
    code, said = finish(start(tmp_path, environment, loops=60))
    assert code == 0, said
    assert kinds(tmp_path)["slot_started"] == 4
    assert kinds(tmp_path)["slot_finished"] == 2
    assert kinds(tmp_path)["batch_committed"] == 2


@pytest.mark.parametrize(("engine", "processes"), [("slots_at_once: 2", 2), ("stack: 2", 1)])
def test_slots_outlive_a_killed_driver_and_are_adopted(
    tmp_path: Path, environment: dict[str, str], engine: str, processes: int
) -> None:
    process = start(tmp_path, environment, loops=60, engine=engine)
    wait_for_training(tmp_path)
    process.kill()
    process.communicate()
    assert len(workers_of(tmp_path)) == 2
    assert len(set(workers_of(tmp_path))) == processes
    code, said = finish(start(tmp_path, environment, loops=60, engine=engine))
    assert code == 0, said
    assert kinds(tmp_path)["slot_started"] == 2, "an adopted slot is not started again"
    assert kinds(tmp_path)["slot_finished"] == 2
    assert workers_of(tmp_path) == []
    replayed = [sys.executable, "-m", "agent.cli", "replay", str(tmp_path / "runs" / "tiny")]
    done = subprocess.run(replayed, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
