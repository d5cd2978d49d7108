"""Ground truth: tau dv/dt = -v + V_rest + sum_j W relu(v_j) + I, Euler steps with process noise. Writes no file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from state.config import SlotConfig
from state.errors import NightflyError
from trainer.fly.connectome import Connectome
from trainer.fly.edge_sums import SparseMatrix
from trainer.fly.eye import Floats
from trainer.fly.stimulus import load_stimulus

Progress = Callable[[str, int, int], None]

BLOWN_UP = 1e3
CHECK_EVERY = 250
TEST_SEQUENCES = 4


class SimulationDiverged(NightflyError):
    """The simulated activity left the finite range."""


@dataclass
class Recording:
    """F frames: noisy states [F, N], the clean dv/dt [F, N] (1/s) at those states, light on the inputs [F, n_in]."""

    voltage: Tensor
    derivative: Tensor
    stimulus: Tensor


@dataclass
class Dataset:
    """Training frames; test frames on held-out movies with the same noise; and a noise-free held-out rollout.

    The rollout: light [T, n_in], voltages [T, N] and the state [N] it starts from (row 0 of the voltages).
    """

    train: Recording
    test: Recording
    rollout_stimulus: Tensor
    rollout_voltage: Tensor
    rollout_start: Tensor
    stimulus: str


class Simulator:
    """The network on a device. Neuron-major states [N, S] for S sequences side by side; no host sync inside a step."""

    def __init__(self, connectome: Connectome, delta_t: float, device: torch.device) -> None:
        self.device, self.delta_t, self.n = device, delta_t, connectome.n_neurons
        self.tau = torch.as_tensor(connectome.tau, device=device)[:, None]
        self.v_rest = torch.as_tensor(connectome.V_rest, device=device)[:, None]
        self.inputs = torch.as_tensor(connectome.input_index, device=device).long()
        self.columns = torch.as_tensor(connectome.input_column, device=device).long()
        weight = torch.as_tensor(connectome.weight, device=device)
        self.weights = SparseMatrix(connectome.target, connectome.source, weight, self.n)

    def derivative(self, v: Tensor, light: Tensor) -> Tensor:
        """Clean dv/dt [N, S] at states [N, S] under light [n_in, S]."""
        drive = self.weights.dot(v.relu()).sub_(v).add_(self.v_rest)
        return drive.index_add_(0, self.inputs, light).div_(self.tau)

    def run(
        self,
        movies: Floats,
        burn_in: int,
        noise: float,
        generator: torch.Generator | None,
        advance: Callable[[int, int], None] = lambda done, total: None,
    ) -> Recording:
        """Simulate ``movies`` [T, S, C] from the resting state and keep what follows the burn-in, frame-major.

        Row t * S + s is frame t of sequence s. Raises SimulationDiverged when activity blows up.
        """
        steps, sequences, _ = movies.shape
        light = torch.as_tensor(movies, device=self.device)[:, :, self.columns]
        kept = steps - burn_in
        voltage = torch.empty(kept, sequences, self.n, device=self.device)
        derivative = torch.empty_like(voltage)
        v = self.v_rest.expand(self.n, sequences).clone()
        for step in range(steps):
            dv = self.derivative(v, light[step].t())
            if step >= burn_in:
                voltage[step - burn_in].copy_(v.t())
                derivative[step - burn_in].copy_(dv.t())
            v = v.add_(dv, alpha=self.delta_t)
            if noise > 0:
                v.add_(torch.randn(v.shape, generator=generator, device=self.device), alpha=noise)
            if step % CHECK_EVERY == CHECK_EVERY - 1 or step == steps - 1:
                self._check(v, step)
                advance(step + 1, steps)
        flat = kept * sequences
        return Recording(voltage.view(flat, -1), derivative.view(flat, -1), light[burn_in:].reshape(flat, -1))

    def _check(self, v: Tensor, step: int) -> None:
        if not float(v.abs().max()) < BLOWN_UP:
            raise SimulationDiverged(f"the simulated activity exceeded {BLOWN_UP:g} by step {step}; lower delta_t")


def generate(
    config: SlotConfig, connectome: Connectome, device: torch.device, progress: Progress | None = None
) -> Dataset:
    """Everything a slot learns from and is tested on, from simulation.seed: movies, motion and process noise.

    Bit-identical for equal configs on one CPU. ``progress(stage, done, total)`` hears how far the training frames are.
    """
    settings = config.simulation
    stimulus = load_stimulus(settings)
    movies_rng, test_rng = (np.random.default_rng([settings.seed, stream]) for stream in (0, 1))
    generator = torch.Generator(device=device).manual_seed(settings.seed)
    simulator = Simulator(connectome, settings.delta_t, device)
    sequences = 1 if settings.sequences == "one_trajectory" else settings.n_sequences
    movies = stimulus.train(sequences, settings.n_frames // sequences + settings.burn_in, movies_rng)
    tell = progress or (lambda stage, done, total: None)
    train = simulator.run(
        movies,
        settings.burn_in,
        settings.noise_model_level,
        generator,
        lambda done, total: tell("simulating", done, total),
    )
    test_steps = settings.n_test_frames // TEST_SEQUENCES + settings.burn_in
    held_out = stimulus.test(TEST_SEQUENCES, test_steps, test_rng)
    test = simulator.run(held_out, settings.burn_in, settings.noise_model_level, generator)
    rollout = simulator.run(
        stimulus.test(1, settings.n_test_frames + settings.burn_in, test_rng), settings.burn_in, 0.0, None
    )
    return Dataset(train, test, rollout.stimulus, rollout.voltage, rollout.voltage[0], stimulus.label)
