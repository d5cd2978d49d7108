"""A tiny network with known parameters and a recording of it, shared by the trainer's tests."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from state.config import SlotConfig
from trainer.fly.connectome import Connectome

# The per-edge yardstick lives in benchmarks/, which is no installed package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

N_TYPES, N_PER_TYPE, N_INPUTS = 6, 7, 7


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_truth() -> Connectome:
    """42 neurons of 6 types in an eye of extent 1, about 8 inputs each; stable by construction."""
    rng = np.random.default_rng(0)
    n = N_TYPES * N_PER_TYPE
    adjacency = rng.random((n, n)) < 0.2
    np.fill_diagonal(adjacency, False)
    target, source = np.nonzero(adjacency)
    types = np.arange(n) // N_PER_TYPE
    strength = rng.uniform(0.3, 1.0, (N_TYPES, N_TYPES)) * rng.choice([-1.0, 1.0], (N_TYPES, N_TYPES))
    column = np.arange(n) % N_PER_TYPE
    return Connectome(
        source=source.astype(np.int32),
        target=target.astype(np.int32),
        type_index=types.astype(np.int32),
        type_names=tuple("ABCDEF"),
        u=column.astype(np.int32),
        v=np.zeros(n, np.int32),
        input_index=np.arange(N_INPUTS, dtype=np.int32),
        input_column=np.arange(N_INPUTS, dtype=np.int32),
        weight=(0.1 * strength[types[source], types[target]]).astype(np.float32),
        tau=np.linspace(0.03, 0.2, N_TYPES).astype(np.float32)[types],
        V_rest=np.array([0.5, 0.3, 0.7, 0.4, 0.6, 0.2], np.float32)[types],
        extent=1,
        truth="tiny truth of the tests",
    )


def simulate(truth: Connectome, n_frames: int, noise: float, seed: int) -> SimpleNamespace:
    """A recording by the equation of the docs, written as plainly as can be (dense weights, float32)."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.zeros(truth.n_neurons, truth.n_neurons)
    weight[torch.as_tensor(truth.target).long(), torch.as_tensor(truth.source).long()] = torch.as_tensor(truth.weight)
    tau, rest = torch.as_tensor(truth.tau), torch.as_tensor(truth.V_rest)
    slow = torch.rand(n_frames // 5 + 1, len(truth.input_index), generator=generator)
    stimulus = slow.repeat_interleave(5, dim=0)[:n_frames]
    v, voltage, derivative = rest.clone(), [], []
    for frame in stimulus:
        current = torch.zeros_like(v)
        current[torch.as_tensor(truth.input_index).long()] = frame
        dv = (-v + rest + weight @ v.relu() + current) / tau
        voltage.append(v)
        derivative.append(dv)
        v = v + 0.02 * dv + noise * torch.randn(len(v), generator=generator)
    return SimpleNamespace(voltage=torch.stack(voltage), derivative=torch.stack(derivative), stimulus=stimulus)


@pytest.fixture(scope="session")
def tiny_data(tiny_truth: Connectome) -> SimpleNamespace:
    """400 noisy frames of the tiny network."""
    return simulate(tiny_truth, 400, 0.05, 1)


@pytest.fixture(scope="session")
def tiny_dataset(tiny_truth: Connectome, tiny_data: SimpleNamespace) -> SimpleNamespace:
    """Training and test recordings and a noise-free rollout."""
    clean = simulate(tiny_truth, 120, 0.0, 3)
    return SimpleNamespace(
        train=tiny_data,
        test=simulate(tiny_truth, 100, 0.05, 2),
        rollout_stimulus=clean.stimulus,
        rollout_voltage=clean.voltage,
        rollout_start=clean.voltage[0],
    )


@pytest.fixture(scope="session")
def tiny_config() -> SlotConfig:
    """Few short epochs of a small model; 40 iterations an epoch."""
    return SlotConfig.model_validate(
        {
            "simulation": {"extent": 1, "n_frames": 400, "n_sequences": 4, "n_test_frames": 60, "burn_in": 20},
            "graph_model": {"hidden_dim": 8, "hidden_dim_update": 8},
            "training": {"batch_size": 4, "data_augmentation_loop": 2, "n_metric_points": 5, "device": "cpu"},
        }
    )


@pytest.fixture
def slot_config(tmp_path: Path, tiny_config: SlotConfig, tiny_truth: Connectome) -> SlotConfig:
    """The tiny network in a file, seen through photographs in motion: what a worker can run."""
    path = tmp_path / "tiny.npz"
    tiny_truth.save(path)
    changes = {"connectome.source": "file", "connectome.path": str(path), "simulation.visual_input_type": "photographs"}
    return tiny_config.replaced(dict(changes))
