"""A worker killed in training and started again ends as if nothing had happened; bad checkpoints are ignored."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from state.config import SlotConfig
from state.files import dump_yaml
from state.paths import SlotPaths
from state.records import SlotResult, TrajectoryPoint
from trainer.fit.training import State, Trainer, fit
from trainer.fly.connectome import Connectome
from trainer.model.gnn import GNN
from trainer.score.metrics import activity
from trainer.slot.checkpoint import CheckpointFile, Owner
from trainer.slot.worker import run_folder

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def long_config(slot_config: SlotConfig) -> SlotConfig:
    """6,000 iterations, annealed and with a rotating subset: everything that could depend on the position."""
    return slot_config.replaced(
        {
            "training.data_augmentation_loop": 150,
            "training.regul_annealing_rate": 0.5,
            "training.penalty_stride": 3,
            "training.w_init_scale": 0.7,
        }
    )


def lay_down(folder: Path, config: SlotConfig, run_id: str, checkpoint_s: object = 0.2) -> SlotPaths:
    paths = SlotPaths(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths.config.write_text(dump_yaml(config.model_dump()))
    job = {"run_id": run_id, "config_hash": config.hash(), "time_limit_s": 600.0, "checkpoint_s": checkpoint_s}
    paths.job.write_text(json.dumps(job))
    return paths


def start(paths: SlotPaths) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "trainer.slot", str(paths.root)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(worker: subprocess.Popen[str], paths: SlotPaths, rows: int, checkpoint: bool) -> None:
    deadline = time.monotonic() + 90
    while True:
        assert worker.poll() is None, worker.communicate()[1]
        assert time.monotonic() < deadline
        measured = paths.metrics_log.exists() and len(paths.metrics_log.read_text().splitlines()) > rows
        if measured and (paths.checkpoint.exists() or not checkpoint):
            return
        time.sleep(0.01)


def same_outcome(paths: SlotPaths, undisturbed: SlotPaths) -> None:
    one, two = (SlotResult.model_validate(json.loads(p.result.read_bytes())) for p in (paths, undisturbed))
    assert one.status == two.status == "done"
    for result in (one, two):
        assert result.metrics.pop("training_time_min") is not None
    assert one.metrics == two.metrics
    assert one.trajectory == two.trajectory
    assert one.extra == two.extra
    assert paths.metrics_log.read_bytes() == undisturbed.metrics_log.read_bytes()
    assert not paths.checkpoint.exists()
    assert not list(paths.root.glob("*.tmp"))


def test_killed_and_terminated_workers_go_on_to_the_same_bits(tmp_path: Path, long_config: SlotConfig) -> None:
    undisturbed = lay_down(tmp_path / "undisturbed", long_config, "r.a1")
    assert run_folder(undisturbed.root).status == "done"
    paths = lay_down(tmp_path / "disturbed", long_config, "r.a1")
    worker = start(paths)
    wait_for(worker, paths, 2, checkpoint=True)
    worker.kill()
    assert worker.wait() == -signal.SIGKILL
    worker.communicate()
    assert not paths.result.exists()

    # The next attempt, told to end before its first checkpoint is due, writes one first.
    paths = lay_down(paths.root, long_config, "r.a2", checkpoint_s=600)
    before = paths.checkpoint.read_bytes()
    worker = start(paths)
    rows = len(undisturbed.metrics_log.read_text().splitlines()) // 2
    wait_for(worker, paths, rows, checkpoint=True)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) == -signal.SIGTERM
    assert "goes on at iteration" in worker.communicate()[1]
    assert paths.checkpoint.read_bytes() != before
    spent = torch.load(paths.checkpoint, weights_only=True)["seconds"]

    paths = lay_down(paths.root, long_config, "r.a3")
    result = run_folder(paths.root)
    assert result.run_id == "r.a3"
    assert result.seconds["training"] > spent > 0
    assert result.metrics["training_time_min"] == result.seconds["training"] / 60
    same_outcome(paths, undisturbed)


def test_an_interval_that_is_no_number_rejects_the_job(tmp_path: Path, slot_config: SlotConfig) -> None:
    for wrong in ("soon", -1, None):
        result = run_folder(lay_down(tmp_path / "slot", slot_config, "r", wrong).root)
        assert result.failure is not None
        assert result.failure.kind == "rejected"


@pytest.fixture
def owner() -> Owner:
    return Owner("0" * 64, "t")


def state_of(n: int = 5, iteration: int = 500) -> State:
    random = torch.Generator().manual_seed(1).get_state()
    return State(torch.arange(float(n)), torch.ones(n), torch.full((n,), 2.0), random, iteration)


POINT = TrajectoryPoint(epoch=0, iteration=250, connectivity_r2=0.1, vrest_r2=None, tau_r2=1 / 3, phase="joint")


def test_what_is_saved_is_loaded(tmp_path: Path, owner: Owner) -> None:
    file = CheckpointFile(tmp_path / "c.pt", owner, "r.a1")
    assert file.load() is None
    file.save(state_of(), [POINT], 12.5)
    found = CheckpointFile(tmp_path / "c.pt", owner, "r.a2").load()
    assert found is not None
    assert (found.trajectory, found.seconds, found.state.iteration) == ([POINT], 12.5, 500)
    for name in ("theta", "mean", "square", "random"):
        assert torch.equal(getattr(found.state, name), getattr(state_of(), name))


@pytest.mark.parametrize("other", [Owner("1" * 64, "t"), Owner("0" * 64, "other truth")])
def test_a_checkpoint_of_something_else_is_ignored_aloud(
    other: Owner, tmp_path: Path, owner: Owner, capsys: pytest.CaptureFixture[str]
) -> None:
    CheckpointFile(tmp_path / "c.pt", other, "r").save(state_of(), [], 1.0)
    assert CheckpointFile(tmp_path / "c.pt", owner, "r").load() is None
    assert "checkpoint ignored" in capsys.readouterr().err


def test_any_torn_or_damaged_checkpoint_is_ignored_aloud(
    tmp_path: Path, owner: Owner, capsys: pytest.CaptureFixture[str]
) -> None:
    file = CheckpointFile(tmp_path / "c.pt", owner, "r")
    file.save(state_of(2000), [POINT], 1.0)
    whole = file.path.read_bytes()
    position = whole.index(torch.arange(2000.0)[1000:1004].numpy().tobytes())
    flipped = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
    damaged = [b"", whole[:100], whole[: len(whole) // 2], whole[:-1], b"\x80\x04.", b"text", flipped]
    for content in damaged:
        file.path.write_bytes(content)
        assert file.load() is None, content[:20]
        assert "checkpoint ignored" in capsys.readouterr().err
    for content in ([1, 2], {"format": 1}, torch.zeros(3)):
        torch.save(content, file.path)
        assert file.load() is None
    file.path.write_bytes(whole)
    assert file.load() is not None


def test_no_flipped_bit_changes_what_is_loaded(tmp_path: Path, owner: Owner) -> None:
    file = CheckpointFile(tmp_path / "c.pt", owner, "r")
    file.save(state_of(), [POINT], 1.0)
    whole, refused = bytearray(file.path.read_bytes()), 0
    for position in range(0, len(whole), 11):
        for bit in (0, 7):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            file.path.write_bytes(damaged)
            found = file.load()
            refused += found is None
            assert found is None or torch.equal(found.state.theta, state_of().theta)
            assert found is None or (found.trajectory, found.state.iteration) == ([POINT], 500)
    assert refused > len(whole) / 11


def test_a_failed_write_does_not_end_the_slot(tmp_path: Path, owner: Owner, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    file = CheckpointFile(tmp_path / "file" / "c.pt", owner, "r", every_s=0.0)
    file.save(state_of(), [], 1.0)
    assert "not written" in capsys.readouterr().err


def test_it_is_due_after_its_interval(tmp_path: Path, owner: Owner) -> None:
    assert CheckpointFile(tmp_path / "c.pt", owner, "r", every_s=0.0).due()
    assert not CheckpointFile(tmp_path / "c.pt", owner, "r", every_s=1e6).due()


def test_training_goes_on_from_every_block_to_the_same_parameters(
    tiny_config: SlotConfig, tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    config = tiny_config.replaced({"training.regul_annealing_rate": 0.5, "training.penalty_stride": 3})
    states: list[State] = []

    def keep(trainer: Trainer) -> None:
        s = trainer.state()
        states.append(State(s.theta.clone(), s.mean.clone(), s.square.clone(), s.random.clone(), s.iteration))

    def train(begin: State | None = None) -> tuple[torch.Tensor, list[TrajectoryPoint]]:
        model, points = GNN(config.graph_model, tiny_truth), list[TrajectoryPoint]()
        model.initialise(config.training)
        hear = keep if begin is None else lambda trainer: None
        fit(model, config, tiny_data, tiny_truth, activity(tiny_data), points.append, on_block=hear, start=begin)
        return model.theta, points

    theta, points = train()
    assert [state.iteration for state in states] == [8 * k for k in range(1, 11)]
    for state in states:
        again, rest = train(state)
        assert torch.equal(again, theta)
        assert rest == [point for point in points if point.iteration > state.iteration]
