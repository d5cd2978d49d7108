"""`nightfly train` as a person uses it: a table or JSON, interrupted, continued, twice on one directory, bad inputs."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from agent.commands.train import _earlier_threads, read_config, train_by_hand
from state.config import Scalar, SlotConfig
from state.errors import RunError
from state.files import dump_yaml
from state.lock import DriverLock
from state.metrics import METRICS
from state.paths import SlotPaths
from state.records import SlotResult
from trainer.engines.contract import Job
from trainer.fly.connectome import Connectome

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def small(tmp_path: Path) -> SlotConfig:
    """A ring of 14 neurons; 7 of them see."""
    n = 14
    ring = np.arange(n, dtype=np.int32)
    Connectome(
        source=np.roll(ring, 1),
        target=ring,
        type_index=ring // 7,
        type_names=("A", "B"),
        u=ring % 7,
        v=np.zeros(n, np.int32),
        input_index=ring[:7],
        input_column=ring[:7],
        weight=np.where(ring % 2, 0.4, -0.3).astype(np.float32),
        tau=np.where(ring < 7, 0.05, 0.1).astype(np.float32),
        V_rest=np.where(ring < 7, 0.5, 0.3).astype(np.float32),
        extent=1,
        truth="a ring",
    ).save(tmp_path / "ring.npz")
    changes: dict[str, Scalar] = {
        "connectome.source": "file",
        "connectome.path": str(tmp_path / "ring.npz"),
        "simulation.visual_input_type": "photographs",
        "simulation.extent": 1,
        "simulation.n_frames": 640,
        "simulation.burn_in": 10,
        "simulation.n_test_frames": 100,
        "graph_model.hidden_dim": 8,
        "graph_model.hidden_dim_update": 8,
        "training.data_augmentation_loop": 2,
        "training.device": "cpu",
    }
    return SlotConfig().replaced(changes)


def write(path: Path, config: SlotConfig) -> Path:
    path.write_text(dump_yaml(config.model_dump()))
    return path


def command(file: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "agent.cli", "train", str(file), "--out", str(out), *options],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {random.choice(sorted(os.sched_getaffinity(0)))}),
    )


def wait_for_training(paths: SlotPaths, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not (paths.metrics_log.exists() and len(paths.metrics_log.read_text().splitlines()) > 2):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_table_for_people_then_a_refusal_to_overwrite(
    tmp_path: Path, small: SlotConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = write(tmp_path / "c.yaml", small), tmp_path / "out"
    assert train_by_hand(file, out, as_json=False) == 0
    shown = capsys.readouterr().out
    for name in METRICS:
        assert name in shown
    assert "a ring" in shown
    before = SlotPaths(out).result.read_bytes()
    with pytest.raises(RunError, match="a result is already there"):
        train_by_hand(file, out, as_json=False)
    assert SlotPaths(out).result.read_bytes() == before
    assert not list(out.glob("*.tmp"))


def test_a_failure_is_json_with_exit_code_3_and_may_be_tried_again(
    tmp_path: Path, small: SlotConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "c.yaml", tmp_path / "out"
    write(file, small.replaced({"connectome.path": str(tmp_path / "absent.npz")}))
    assert train_by_hand(file, out, as_json=True) == 3
    result = SlotResult.model_validate_json(capsys.readouterr().out)
    assert result.failure is not None
    assert result.failure.kind == "invalid_config"
    write(file, small)
    assert train_by_hand(file, out, as_json=True) == 0
    assert SlotResult.model_validate_json(capsys.readouterr().out).status == "done"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_worker_and_the_same_command_goes_on(
    number: signal.Signals, tmp_path: Path, small: SlotConfig
) -> None:
    long = small.replaced({"training.data_augmentation_loop": 40})
    file, out = write(tmp_path / "c.yaml", long), tmp_path / "out"
    process = command(file, out)
    wait_for_training(SlotPaths(out), process)
    second = command(file, out)
    assert second.wait(timeout=60) == 2
    assert "another driver is at work" in second.communicate()[1]
    process.send_signal(number)
    assert process.wait(timeout=60) == 130
    told = process.communicate()[1]
    assert "Traceback" not in told
    paths = SlotPaths(out)
    assert not paths.result.exists()
    # On a machine so busy that 250 iterations take a second there is no time for a checkpoint.
    saved = paths.checkpoint.exists()
    assert ("the same command goes on" if saved else "begin anew") in told
    if saved:
        with pytest.raises(RunError, match="unfinished training of another config"):
            train_by_hand(write(tmp_path / "d.yaml", small), out, as_json=True)
    third = command(file, out, "--json")
    text, _ = third.communicate(timeout=120)
    assert third.returncode == 0
    assert json.loads(text)["status"] == "done"
    assert saved == ("goes on at iteration" in paths.stderr.read_text())


def test_a_training_goes_on_with_the_threads_that_it_was_begun_with(tmp_path: Path) -> None:
    paths = SlotPaths(tmp_path)
    Job("by-hand", "h", tmp_path, 1.0, threads=3).write("")
    assert _earlier_threads(paths) == 0  # nothing is begun
    paths.checkpoint.write_bytes(b"x")
    assert _earlier_threads(paths) == 3
    paths.job.write_text("[]")
    assert _earlier_threads(paths) == 0


def test_a_directory_in_use_or_impossible_is_one_sentence(tmp_path: Path, small: SlotConfig) -> None:
    file = write(tmp_path / "c.yaml", small)
    lock = DriverLock(SlotPaths(tmp_path / "out").lock)
    with pytest.raises(RunError, match="another driver"):
        train_by_hand(file, tmp_path / "out", as_json=True)
    lock.release()
    with pytest.raises(RunError, match="cannot be made"):
        train_by_hand(file, Path("/proc/nightfly/out"), as_json=True)


def test_a_config_of_the_predecessor_is_read_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = {
        "dataset": "old",
        "simulation": {"n_input_neurons": 56, "n_frames": 640, "delta_t": 0.02, "visual_input_type": "DAVIS"},
        "graph_model": {"signal_model_name": "flyvis_A", "input_size": 3, "input_size_update": 5}
        | dict.fromkeys(("hidden_dim", "hidden_dim_update"), 16)
        | dict.fromkeys(("n_layers", "n_layers_update"), 3),
        "training": {"coeff_edge_diff": 500, "w_init_mode": "zeros"},
        "plotting": {"colormap": "tab20"},
    }
    path = tmp_path / "old.yaml"
    path.write_text(dump_yaml(tree))
    config = read_config(path)
    assert config.simulation.extent == 1
    assert config.training.coeff_g_phi_diff == 500
    assert "plotting" in capsys.readouterr().err
