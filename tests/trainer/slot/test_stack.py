"""Slots of one process end as they would alone, to the last bit, whatever happens to the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from state.config import Scalar, SlotConfig
from state.files import dump_yaml
from state.paths import SlotPaths
from state.records import SlotResult
from trainer.engines.contract import STACK_BROKE
from trainer.fit.training import Trainer
from trainer.slot import attempt
from trainer.slot.worker import main, run_folder, run_folders

ROOT = Path(__file__).resolve().parents[3]
DIVERGES: dict[str, Scalar] = {
    "training.learning_rate_start": 1.0,
    "training.learning_rate_W_start": 1.0,
    "training.coeff_g_phi_diff": 1e38,
    "training.data_augmentation_loop": 60,
}
# Other seeds, lengths, phases, batches and measured iterations: nothing of one slot fits with the blocks of another.
VARIANTS: list[dict[str, Scalar]] = [
    {"training.data_augmentation_loop": 15, "training.regul_annealing_rate": 0.5},
    {"simulation.seed": 5, "training.seed": 6, "training.alternate_training": False, "training.n_metric_points": 3},
    {"training.seed": 9, "training.batch_size": 3, "training.n_epochs": 3, "training.penalty_stride": 3},
    {"graph_model.hidden_dim": 12, "graph_model.backend": "pyg", "training.alternate_joint_ratio": 0.7},
]


def lay_down(folder: Path, config: SlotConfig, checkpoint_s: float = 600.0) -> SlotPaths:
    paths = SlotPaths(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths.config.write_text(dump_yaml(config.model_dump()))
    job = {"run_id": folder.name, "config_hash": config.hash(), "time_limit_s": 600.0, "checkpoint_s": checkpoint_s}
    paths.job.write_text(json.dumps(job))
    return paths


def all_down(folder: Path, configs: Sequence[SlotConfig], checkpoint_s: float = 600.0) -> list[SlotPaths]:
    return [lay_down(folder / f"s{n}", config, checkpoint_s) for n, config in enumerate(configs)]


def result_of(paths: SlotPaths) -> SlotResult:
    return SlotResult.model_validate_json(paths.result.read_bytes())


def same_outcome(one: SlotPaths, other: SlotPaths) -> None:
    results = [result_of(paths) for paths in (one, other)]
    timeless = [
        result.model_copy(
            update={"seconds": {}, "peak_memory_mb": None, "metrics": result.metrics | {"training_time_min": None}}
        )
        for result in results
    ]
    assert timeless[0] == timeless[1]
    assert one.metrics_log.read_bytes() == other.metrics_log.read_bytes()


@pytest.fixture(autouse=True)
def _without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take most of the time of these slots."""
    monkeypatch.setattr(attempt.Attempt, "_draw", lambda *_: None)


@pytest.fixture
def thetas(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The parameters of each network that is evaluated, in the order in which their trainings end."""
    found: list[torch.Tensor] = []
    evaluate = attempt.evaluate

    def look(model: object, *rest: object) -> object:
        found.append(model.theta.clone())  # type: ignore[attr-defined]
        return evaluate(model, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(attempt, "evaluate", look)
    return found


@pytest.mark.parametrize("n", [2, 4])
def test_stacked_slots_have_the_bits_of_slots_alone(
    n: int, tmp_path: Path, slot_config: SlotConfig, thetas: list[torch.Tensor]
) -> None:
    configs = [slot_config.replaced(changes) for changes in VARIANTS[:n]]
    alone, stacked = (all_down(tmp_path / name, configs) for name in ("alone", "stacked"))
    for paths in alone:
        assert run_folder(paths.root).status == "done"
    assert [result.status for result in run_folders([paths.root for paths in stacked])] == ["done"] * n
    for pair in zip(stacked, alone, strict=True):
        same_outcome(*pair)
        assert not pair[0].checkpoint.exists()
    # They end in another order.
    apart = {theta.numpy().tobytes() for theta in thetas[:n]}
    assert apart == {theta.numpy().tobytes() for theta in thetas[n:]}
    assert len(apart) == n


def test_what_one_slot_does_wrong_ends_that_one_alone(tmp_path: Path, slot_config: SlotConfig) -> None:
    configs = [slot_config.replaced(changes) for changes in (VARIANTS[0], DIVERGES, {}, {}, {"simulation.seed": 8})]
    undisturbed = lay_down(tmp_path / "alone" / "s4", configs[4])
    assert run_folder(undisturbed.root).status == "done"
    stacked = all_down(tmp_path / "stacked", configs)
    stacked[2].config.write_text("training: {learning_rate: 3}\n")
    stacked[3].job.write_text("{")
    assert main([str(paths.root) for paths in stacked]) == 3
    found = [result_of(paths) for paths in stacked]
    assert [result.failure.kind if result.failure else "" for result in found] == [
        *("", "diverged", "invalid_config", "rejected", ""),
    ]
    same_outcome(stacked[4], undisturbed)
    assert "diverged" in stacked[1].stderr.read_text()
    assert "learning_rate" in stacked[2].stderr.read_text()
    assert stacked[4].stderr.read_text() == ""


def test_a_slot_that_is_asked_to_leave_does_so_and_keeps_its_checkpoint(
    tmp_path: Path, slot_config: SlotConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = [slot_config.replaced(VARIANTS[0] | {"training.seed": seed}) for seed in (1, 2)]
    undisturbed = lay_down(tmp_path / "alone" / "s1", configs[1])
    assert run_folder(undisturbed.root).status == "done"
    stacked = all_down(tmp_path / "stacked", configs, checkpoint_s=0.0)
    keep = attempt.Training._keep

    def ask(self: attempt.Training, point: object) -> None:
        keep(self, point)  # type: ignore[arg-type]
        if len(self.trajectory) == 3:
            stacked[0].leave.touch()

    monkeypatch.setattr(attempt.Training, "_keep", ask)
    first, second = run_folders([paths.root for paths in stacked])
    assert first.failure is not None
    assert (first.failure.kind, first.failure.message) == ("killed", "ended on request")
    assert second.status == "done"
    same_outcome(stacked[1], undisturbed)
    assert torch.load(stacked[0].checkpoint, weights_only=True)["state"]["iteration"] > 0


@pytest.mark.parametrize("stage", ["load_connectome", "evaluate"])
@pytest.mark.parametrize("error", [MemoryError("none left"), RuntimeError("CUDA error: an illegal memory access")])
def test_what_befalls_the_device_ends_all_and_blames_none(
    error: Exception, stage: str, tmp_path: Path, slot_config: SlotConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    configs = [slot_config.replaced(changes) for changes in ({}, VARIANTS[0], VARIANTS[2])]
    stacked = all_down(tmp_path / "stacked", configs, checkpoint_s=0.0)
    monkeypatch.setattr(attempt, stage, fail)
    assert main([str(paths.root) for paths in stacked]) == STACK_BROKE
    for paths in stacked:
        failure = result_of(paths).failure
        assert failure is not None
        assert failure.blameless
        assert str(error) in failure.message
        assert "3 slots" in failure.message
        assert paths.checkpoint.exists() == (stage == "evaluate")
    # Alone it is the slot's own.
    assert main([str(stacked[0].root)]) == 3
    failure = result_of(stacked[0]).failure
    assert failure is not None
    assert failure.kind == ("out_of_memory" if isinstance(error, MemoryError) else "crashed")


PATIENT = """
import sys
from trainer.slot import termination, worker
termination.GRACE_S = 60
sys.exit(worker.main(sys.argv[1:]))
"""


def start(paths: Sequence[SlotPaths]) -> subprocess.Popen[str]:
    """A worker that waits for a checkpoint however slow the machine is."""
    return subprocess.Popen(
        [sys.executable, "-c", PATIENT, *(str(one.root) for one in paths)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(paths: SlotPaths) -> int:
    return len(paths.metrics_log.read_text().splitlines()) - 1 if paths.metrics_log.exists() else 0


def kept(paths: SlotPaths) -> int:
    """Rows in the checkpoint."""
    return len(torch.load(paths.checkpoint, weights_only=True)["trajectory"]) if paths.checkpoint.exists() else 0


def wait_for(worker: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not reached():
        assert worker.poll() is None, worker.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_and_a_terminated_stack_go_on_to_the_same_bits(tmp_path: Path, slot_config: SlotConfig) -> None:
    long = slot_config.replaced({"training.data_augmentation_loop": 25, "training.n_metric_points": 10})
    configs = [long, long.replaced({"training.seed": 7, "training.penalty_stride": 3, "training.n_epochs": 3})]
    undisturbed = all_down(tmp_path / "alone", configs)
    for paths in undisturbed:
        assert run_folder(paths.root).status == "done"
    stacked = all_down(tmp_path / "stacked", configs, checkpoint_s=0.0)
    worker = start(stacked)
    wait_for(worker, lambda: all(kept(paths) for paths in stacked))
    worker.kill()
    worker.communicate()
    assert not any(paths.result.exists() for paths in stacked)

    # Told to end, both leave a checkpoint long before one is due.
    all_down(tmp_path / "stacked", configs)
    before = [kept(paths) for paths in stacked]
    for paths in stacked:
        paths.metrics_log.unlink()
    worker = start(stacked)
    wait_for(worker, lambda: all(rows(paths) > old + 1 for paths, old in zip(stacked, before, strict=True)))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) == -signal.SIGTERM
    worker.communicate()
    for paths, old in zip(stacked, before, strict=True):
        assert "goes on at iteration" in paths.stderr.read_text()
        assert kept(paths) > old
        assert not paths.result.exists()

    # The first goes on alone, and so does the second.
    for paths, other in zip(stacked, undisturbed, strict=True):
        assert run_folder(paths.root).status == "done"
        same_outcome(paths, other)


def test_while_one_is_evaluated_nothing_of_the_others_can_be_lost(
    tmp_path: Path, slot_config: SlotConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacked = all_down(tmp_path / "stacked", [slot_config, slot_config.replaced(VARIANTS[0])])
    iterations: list[int] = []
    evaluate, run = attempt.evaluate, Trainer.begin
    done: dict[int, int] = {}

    def count(self: Trainer, n: int) -> None:
        run(self, n)
        done[self.training.data_augmentation_loop] = self.iteration

    def look(*rest: object) -> object:
        if stacked[1].checkpoint.exists():
            iterations.append(torch.load(stacked[1].checkpoint, weights_only=True)["state"]["iteration"])
            iterations.append(done[15])
        return evaluate(*rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "begin", count)
    monkeypatch.setattr(attempt, "evaluate", look)
    assert {result.status for result in run_folders([paths.root for paths in stacked])} == {"done"}
    assert iterations[0] == iterations[1] > 0


def test_a_training_takes_its_own_time_and_the_whole_is_that_of_the_stack(
    tmp_path: Path, slot_config: SlotConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data and evaluation of one take a second each, in which the other waits."""
    for stage in ("generate", "evaluate"):
        made = getattr(attempt, stage)
        monkeypatch.setattr(attempt, stage, lambda *rest, made=made: (time.sleep(1.0), made(*rest))[1])
    stacked = all_down(tmp_path / "stacked", [slot_config, slot_config.replaced({"training.seed": 8})])
    began = time.perf_counter()
    results = run_folders([paths.root for paths in stacked])
    whole = time.perf_counter() - began
    for result in results:
        assert result.seconds["data"] > 2
        assert result.seconds["training"] < whole - 4
        assert result.metrics["training_time_min"] == result.seconds["training"] / 60
    assert results[0].seconds["evaluation"] < results[1].seconds["evaluation"] - 1
    assert 0.8 * whole < sum(results[1].seconds.values()) < whole


def test_all_folders_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), str(tmp_path / "missing")]) == 2
    assert "usage: python -m trainer.slot DIR..." in capsys.readouterr().err
