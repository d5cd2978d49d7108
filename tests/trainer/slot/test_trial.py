"""A shortened training tells a config that learns from one that does not."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from state.config import Scalar, SlotConfig
from trainer.fit.schedule import iterations_per_epoch
from trainer.slot.trial import ITERATIONS, shortened, try_training

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("epochs", [1, 2, 3, 50])
@pytest.mark.parametrize("sequences", [2, 64])
def test_shortened_keeps_everything_but_lengths(epochs: int, sequences: int) -> None:
    config = SlotConfig().replaced({"training.n_epochs": epochs, "simulation.n_sequences": sequences})
    short = shortened(config)
    total = iterations_per_epoch(short) * epochs
    assert ITERATIONS * 0.9 <= total <= max(ITERATIONS * 1.3, 14 * epochs)
    changed = {key for key, value in config.flat().items() if short.flat()[key] != value}
    assert changed <= {
        "simulation.n_frames",
        "simulation.n_test_frames",
        "training.data_augmentation_loop",
        "training.n_metric_points",
    }


def test_a_sound_config_learns(slot_config: SlotConfig) -> None:
    trial = try_training(slot_config.replaced(dict(SOUND)))
    assert trial.fault == ""
    assert trial.error_after < 0.95 * trial.error_before


SOUND: dict[str, Scalar] = {
    "simulation.n_frames": 4000,
    "training.learning_rate_W_start": 3e-3,
    "training.learning_rate_start": 3e-3,
    "training.coeff_g_phi_diff": 10.0,
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        # What the full-size campaign once did: the L1 terms act in full from the start, and f_theta is pressed flat.
        ({"training.regul_annealing_rate": 0.0, "training.coeff_f_theta_weight_L1": 50.0}, ("undefined", "not fall")),
        ({"training.learning_rate_start": 1e-9, "training.learning_rate_W_start": 1e-9}, ("not fall",)),
    ],
)
def test_a_config_that_cannot_learn_has_a_fault(
    changes: dict[str, Scalar], words: tuple[str, ...], slot_config: SlotConfig
) -> None:
    trial = try_training(slot_config.replaced({**SOUND, **changes}))
    assert any(word in trial.fault for word in words), trial


def test_divergence_is_a_fault(slot_config: SlotConfig) -> None:
    wild = {"training.coeff_g_phi_diff": 1e300, "training.learning_rate_start": 1.0}
    trial = try_training(slot_config.replaced({**SOUND, **wild}))
    assert "no longer finite" in trial.fault
    assert math.isinf(trial.error_after)


def test_the_command_prints_json_and_remembers(
    slot_config: SlotConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTFLY_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "c.yaml"
    path.write_text(slot_config.replaced(dict(SOUND)).yaml())
    command = [sys.executable, "-m", "trainer.slot.trial", str(path)]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout for _ in range(2)
    )
    assert first == second
    assert set(json.loads(first)) == {"iterations", "error_before", "error_after", "fault"}
    (kept,) = (tmp_path / "cache").glob("trial-*.json")
    kept.write_text(json.dumps({"fault": "as remembered"}))
    third = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert json.loads(third) == {"fault": "as remembered"}
    path.write_text("training: {n_epochs: two}\n")
    wrong = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert wrong.returncode == 2
    assert wrong.stderr.strip().count("\n") == 0
