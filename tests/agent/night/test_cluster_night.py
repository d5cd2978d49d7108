"""Whole nights of real slots through real schedulers; `make test-engines` starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agent.replay.whole_run import replay_run
from state.files import dump_yaml
from state.journal import read_records
from state.paths import RunPaths
from tests.trainer.engines.conftest import settings_of

KINDS = ["slurm", "slurm-ssh", "ray"]
PATIENCE_S = 180
TINY: dict[str, Any] = {
    "name": "tiny",
    "simulation": {"extent": 1, "n_frames": 1600, "n_sequences": 8, "burn_in": 20, "n_test_frames": 100},
    "graph_model": {"hidden_dim": 16, "hidden_dim_update": 16},
    # Penalties for a network this small: with the full size's it learns nothing, and `run` refuses the campaign.
    "training": {
        "batch_size": 4,
        "data_augmentation_loop": 2,
        "n_metric_points": 4,
        "learning_rate_W_start": 3e-3,
        "learning_rate_start": 2e-3,
        "coeff_g_phi_weight_L1": 0.015,
        "coeff_f_theta_weight_L1": 5e-4,
        "coeff_f_theta_weight_L2": 0.0,
    },
    "explorable": {"training.alternate_joint_ratio": {"choices": [0.3, 0.4, 0.5]}},
    "search": {"n_parallel": 2, "n_iter_block": 2},
    "policy": {"baseline_runs": 2, "min_replicates": 1},
}


@pytest.fixture(scope="module")
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    # A login shell knows nothing of OPENBLAS_CORETYPE, and other kernels round differently.
    other = ("FLYVIS_ROOT_DIR", "DATAVIS_ROOT", "OPENBLAS_CORETYPE")
    known = {k: v for k, v in os.environ.items() if k not in other}
    root = str(Path(__file__).resolve().parents[3])
    return known | {"NIGHTFLY_CACHE": str(request.config.cache.mkdir("connectome")), "PYTHONPATH": root}


class Cluster:
    """A campaign on one kind of engine, in a folder of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], engine: dict[str, Any], loops: int = 2) -> None:
        self.paths, self.environment = RunPaths(folder / "runs" / "tiny"), environment
        training = TINY["training"] | {"data_augmentation_loop": loops}
        engine = {"threads_per_slot": 1} | engine
        folder.mkdir(exist_ok=True)
        self.file = folder / "tiny.yaml"
        self.file.write_text(dump_yaml(TINY | {"training": training, "engine": engine}))

    def start(self, batches: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "agent.cli", "run", str(self.file), "--dry-run", "--batches", str(batches)]
        command += ["--runs-dir", str(self.paths.root.parent)]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def finish(self, process: subprocess.Popen[str]) -> None:
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said

    def metrics(self) -> dict[int, dict[str, float | None]]:
        """What was measured, without how long it took."""
        found = {}
        for record in read_records(self.paths.journal):
            if record.type in ("slot_finished", "slot_failed"):
                assert record.data["result"]["failure"] is None, record.data["result"]["failure"]
                measured = record.data["result"]["metrics"]
                found[record.data["iteration"]] = {k: v for k, v in measured.items() if k != "training_time_min"}
        return found

    def started(self) -> Counter[int]:
        """How often each iteration was begun."""
        records = read_records(self.paths.journal)
        return Counter(record.data["iteration"] for record in records if record.type == "slot_started")

    def wait_for_training(self) -> None:
        limit = time.monotonic() + PATIENCE_S
        places = [self.paths.slot(number).progress for number in (1, 2)]
        while not all(path.exists() and json.loads(path.read_text())["stage"] == "training" for path in places):
            assert time.monotonic() < limit, "the slots never began to train"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Cluster:
    """Two batches on this machine."""
    night = Cluster(tmp_path_factory.mktemp("here"), environment, {"kind": "local"})
    night.finish(night.start(2))
    return night


@pytest.mark.parametrize("kind", KINDS)
def test_a_night_on_a_cluster_measures_what_one_on_this_machine_does(
    tmp_path: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    kind: str,
) -> None:
    engine = settings_of(kind, tmp_path, monkeypatch)
    there = Cluster(tmp_path / "there", environment, engine)
    there.finish(there.start(2))
    # Asked for only where a cluster is there.
    assert there.metrics() == request.getfixturevalue("here").metrics()
    assert sorted(there.metrics()) == [1, 2, 3, 4]
    outcome = replay_run(there.paths.root)
    assert outcome.passed, outcome.faults


@pytest.mark.parametrize("kind", KINDS)
def test_slots_on_a_cluster_outlive_a_killed_driver_and_are_found_again(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    night = Cluster(tmp_path / "night", environment, settings_of(kind, tmp_path, monkeypatch), loops=60)
    first = night.start(1)
    night.wait_for_training()
    first.send_signal(signal.SIGKILL)
    first.communicate()
    night.finish(night.start(1))
    assert night.started() == {1: 1, 2: 1}
    assert sorted(night.metrics()) == [1, 2]
    assert replay_run(night.paths.root).passed
