"""A kept recording lies in the place that `dataset` names, and a slot with the `dataset` of another is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from state.config import SlotConfig
from state.files import dump_yaml
from state.paths import SlotPaths
from state.records import SlotResult
from trainer.engines.contract import Job
from trainer.fly.connectome import Connectome
from trainer.fly.simulate import generate
from trainer.slot.worker import main, train_slot


@pytest.fixture
def config(slot_config: SlotConfig) -> SlotConfig:
    return slot_config.replaced({"dataset": "night_02", "simulation.keep_data": True})


def run(folder: Path, config: SlotConfig, dataset: str) -> SlotResult:
    folder.mkdir(parents=True)
    Job("n.0003.a1", config.hash(), folder, 60, dataset).write(dump_yaml(config.model_dump()))
    main([str(folder)])
    return SlotResult.model_validate(json.loads(SlotPaths(folder).result.read_bytes()))


def test_the_recording_is_what_was_simulated(tmp_path: Path, config: SlotConfig, tiny_truth: Connectome) -> None:
    assert run(tmp_path / "0003", config, "night_02").status == "done"
    place = tmp_path / "0003" / "data" / "night_02" / "recording.npz"
    assert list(tmp_path.rglob("recording.npz")) == [place]
    made = generate(config, tiny_truth, torch.device("cpu"))
    with np.load(place) as kept:
        assert np.array_equal(kept["train_voltage"], made.train.voltage.numpy())
        assert np.array_equal(kept["test_derivative"], made.test.derivative.numpy())
        assert np.array_equal(kept["rollout_voltage"], made.rollout_voltage.numpy())


def test_keeping_changes_neither_what_is_kept_nor_the_config_s_identity(config: SlotConfig) -> None:
    without = config.replaced({"simulation.keep_data": False})
    assert without.identity() == config.identity()
    assert without.hash() != config.hash()
    assert "keep_data" not in without.yaml()


def test_the_dataset_of_another_slot_is_refused(tmp_path: Path, config: SlotConfig) -> None:
    result = run(tmp_path / "0002", config, "night_01")
    assert result.failure is not None
    assert result.failure.kind == "rejected"
    assert "dataset 'night_02' is not this slot's, which is 'night_01'" in result.failure.message
    assert not list(tmp_path.rglob("recording.npz"))


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".."])
def test_a_name_that_is_no_place_is_refused(name: str, tmp_path: Path, config: SlotConfig) -> None:
    result = train_slot(config.replaced({"dataset": name}), tmp_path / "slot", "r", "")
    assert result.failure is not None
    assert result.failure.kind == "invalid_config"
    assert "simulation.keep_data needs a name" in result.failure.message
    assert not list(tmp_path.rglob("recording*"))
