"""One step by both backends: equal for any config, and different once the reference has been changed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from state.config import Scalar, SlotConfig
from trainer.model.pyg import FlyGNN
from trainer.slot.backends import ALLOWED, compare_backends

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("changes", [{}, {"graph_model.embedding_dim": 4, "training.coeff_W_L1": 0.0}])
def test_both_compute_the_same_step(changes: dict[str, Scalar], slot_config: SlotConfig) -> None:
    found = compare_backends(slot_config.replaced(changes))
    assert found.fault == ""
    assert found.device == "cpu"
    assert {"W", "a", "g_phi.lins.0.weight", "f_theta.lins.2.bias"} <= set(found.gradients)
    assert max(found.loss, *found.gradients.values()) < ALLOWED / 100


def test_a_changed_reference_is_told(slot_config: SlotConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = FlyGNN.signal
    monkeypatch.setattr(FlyGNN, "signal", lambda self, v, a: 1.001 * plain(self, v, a))
    found = compare_backends(slot_config)
    assert found.fault.startswith("fast and pyg differ in ")
    assert "W" in found.fault


def test_a_parameter_that_only_the_reference_has_is_told(
    slot_config: SlotConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, plain = FlyGNN.__init__, FlyGNN.update_rate

    def with_leak(self: FlyGNN, *arguments: object) -> None:
        old(self, *arguments)  # type: ignore[arg-type]
        self.leak = nn.Parameter(torch.zeros(1))

    monkeypatch.setattr(FlyGNN, "__init__", with_leak)
    monkeypatch.setattr(FlyGNN, "update_rate", lambda self, v, m, s: plain(self, v, m, s) - self.leak * v)
    found = compare_backends(slot_config)
    assert found.gradients["leak"] == 1.0
    assert "fast and pyg differ in leak" in found.fault


def test_the_command_prints_json(slot_config: SlotConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTFLY_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "c.yaml"
    path.write_text(slot_config.yaml())
    command = [sys.executable, "-m", "trainer.slot.backends", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert set(json.loads(done.stdout)) == {"loss", "gradients", "device", "fault"}
    path.write_text("training: {n_epochs: two}\n")
    wrong = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert wrong.returncode == 2
    assert wrong.stderr.strip().count("\n") == 0
