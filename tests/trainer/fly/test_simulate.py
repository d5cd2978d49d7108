from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from state.config import SlotConfig
from trainer.fly.connectome import Connectome
from trainer.fly.simulate import SimulationDiverged, Simulator, generate

CPU = torch.device("cpu")
CONFIG = SlotConfig.model_validate(
    {"simulation": {"extent": 1, "n_frames": 240, "n_sequences": 4, "burn_in": 20, "n_test_frames": 100, "seed": 3}}
)


def movies(steps: int, sequences: int) -> np.ndarray:
    return np.random.default_rng(0).random((steps, sequences, 7)).astype(np.float32)


def test_one_step_is_the_formula(tiny_truth: Connectome) -> None:
    t = tiny_truth
    v, light = np.random.default_rng(1).normal(0, 1, (t.n_neurons, 2)), np.random.default_rng(2).random((7, 2))
    dense = np.zeros((t.n_neurons, t.n_neurons))
    dense[t.target, t.source] = t.weight
    drive = dense @ np.maximum(v, 0) - v + t.V_rest[:, None]
    drive[t.input_index] += light
    got = Simulator(t, 0.02, CPU).derivative(torch.tensor(v).float(), torch.tensor(light).float())
    assert got.numpy() == pytest.approx(drive / t.tau[:, None], rel=1e-4, abs=1e-4)


def test_without_noise_the_recorded_states_follow_the_recorded_derivatives(tiny_truth: Connectome) -> None:
    recording = Simulator(tiny_truth, 0.02, CPU).run(movies(30, 3), 5, 0.0, None)
    v, dv = recording.voltage.view(25, 3, -1), recording.derivative.view(25, 3, -1)
    assert torch.allclose(v[1:], v[:-1] + 0.02 * dv[:-1], atol=1e-6)


def test_noise_is_added_to_the_state_with_the_given_spread(tiny_truth: Connectome) -> None:
    generator = torch.Generator().manual_seed(0)
    recording = Simulator(tiny_truth, 0.02, CPU).run(movies(400, 3), 0, 0.05, generator)
    v, dv = recording.voltage.view(400, 3, -1), recording.derivative.view(400, 3, -1)
    noise = v[1:] - v[:-1] - 0.02 * dv[:-1]
    assert float(noise.std()) == pytest.approx(0.05, rel=0.02)
    assert abs(float(noise.mean())) < 1e-3


def test_equal_seeds_give_equal_bits_and_other_seeds_other_data(tiny_truth: Connectome) -> None:
    one, two = (generate(CONFIG, tiny_truth, CPU) for _ in range(2))
    for name in ("voltage", "derivative", "stimulus"):
        assert torch.equal(getattr(one.train, name), getattr(two.train, name))
        assert torch.equal(getattr(one.test, name), getattr(two.test, name))
    assert torch.equal(one.rollout_voltage, two.rollout_voltage)
    other = generate(CONFIG.replaced({"simulation.seed": 4}), tiny_truth, CPU)
    assert not torch.equal(one.train.voltage, other.train.voltage)
    assert not torch.equal(one.train.stimulus, other.train.stimulus)


def test_shapes_and_the_rollouts_start(tiny_truth: Connectome) -> None:
    told: list[tuple[int, int]] = []
    data = generate(CONFIG, tiny_truth, CPU, lambda stage, done, total: told.append((done, total)))
    assert data.train.voltage.shape == (240, tiny_truth.n_neurons)
    assert data.train.stimulus.shape == (240, 7)
    assert data.rollout_voltage.shape == (100, tiny_truth.n_neurons)
    assert torch.equal(data.rollout_start, data.rollout_voltage[0])
    assert told[-1] == (80, 80)


def test_blown_up_activity_is_an_error_with_the_step(tiny_truth: Connectome) -> None:
    wild = replace(tiny_truth, weight=np.abs(tiny_truth.weight) * 100)
    with pytest.raises(SimulationDiverged, match="by step"):
        Simulator(wild, 0.02, CPU).run(movies(300, 2), 0, 0.0, None)


def test_one_trajectory_is_a_single_sequence_that_is_never_reset(tiny_truth: Connectome) -> None:
    config = CONFIG.replaced({"simulation.sequences": "one_trajectory", "simulation.noise_model_level": 0.0})
    train = generate(config, tiny_truth, CPU).train
    assert train.voltage.shape == (240, tiny_truth.n_neurons)
    step = config.simulation.delta_t * train.derivative[:-1]
    torch.testing.assert_close(train.voltage[1:], train.voltage[:-1] + step, rtol=1e-4, atol=1e-5)


def test_clips_begin_dark_and_the_run_says_so(tiny_truth: Connectome) -> None:
    """Nearly half of all frames are dark: the beginnings of clips, of which the last one may be cut short."""
    changes = {"simulation.sequences": "one_trajectory", "simulation.n_frames": 4000, "simulation.burn_in": 0}
    lit, half = (
        generate(CONFIG.replaced({**changes, "simulation.blank_prefix_fraction": dark}), tiny_truth, CPU)
        for dark in (0.0, 0.5)
    )
    assert "dark" not in lit.stimulus
    assert "the first 50% of each clip dark" in half.stimulus
    dark = (half.train.stimulus == 0).all(1)
    assert 0.45 < float(dark.float().mean()) < 0.55
    assert bool(dark[0])
    assert torch.equal(half.train.stimulus[~dark], lit.train.stimulus[~dark])
    assert bool((half.test.stimulus == 0).all(1).any())
