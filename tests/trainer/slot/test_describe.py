from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from state.config import SlotConfig
from state.files import dump_yaml
from trainer.fit.schedule import iterations_per_epoch
from trainer.fly.connectome import Connectome
from trainer.slot.describe import main


@pytest.fixture
def config(tiny_truth: Connectome, tmp_path: Path) -> SlotConfig:
    tiny_truth.save(tmp_path / "c.npz")
    return SlotConfig.model_validate(
        {
            "connectome": {"source": "file", "path": str(tmp_path / "c.npz")},
            "simulation": {"extent": 1, "n_frames": 6400, "n_sequences": 8},
            "graph_model": {"hidden_dim": 8, "hidden_dim_update": 8},
        }
    )


def write(config: SlotConfig, tmp_path: Path) -> str:
    (tmp_path / "slot.yaml").write_text(dump_yaml(config.model_dump()))
    return str(tmp_path / "slot.yaml")


def test_sizes_truth_and_stimulus_are_told(
    config: SlotConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATAVIS_ROOT", raising=False)
    assert main([write(config, tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["n_neurons"] == 42
    assert "photographs" in told["stimulus"]
    assert "slot_hours" not in told


def test_the_estimate_counts_all_iterations_and_the_recording(
    config: SlotConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([write(config, tmp_path), "--estimate"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["iterations"] == iterations_per_epoch(config) * config.training.n_epochs == 25_600
    assert told["slot_hours"] * 3600e3 >= told["iterations"] * told["ms_per_iteration"]
    assert told["memory_gb"] > 2 * 4 * 6400 * 42 / 2**30


def test_the_number_of_threads_is_chosen_by_timed_iterations_and_a_tiny_network_gets_one(
    config: SlotConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = torch.get_num_threads()
    assert main([write(config, tmp_path), "--threads=2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["ms_by_threads"]) == {"1", "2"}
    assert told["ms_per_iteration"] == told["ms_by_threads"][str(told["threads"])]
    assert torch.get_num_threads() == before
    # On a machine so busy that 42 neurons take 5 ms an iteration, nothing is said about its threads.
    assert told["threads"] == 1 or told["ms_by_threads"]["1"] >= 5


def test_a_users_mistake_is_one_line_and_code_2(
    config: SlotConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = config.replaced({"connectome.path": str(tmp_path / "none.npz")})
    assert main([write(broken, tmp_path)]) == 2
    said = capsys.readouterr().err.strip()
    assert "none.npz" in said
    assert "\n" not in said
