"""A short training of a tiny network, to see whether a setting matters."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from state.config import SlotConfig
from state.files import sha256
from trainer.fit.backend import make_model
from trainer.fit.schedule import iterations_per_epoch, scheduler_in
from trainer.fit.training import TrainingDiverged, fit
from trainer.fly.connectome import Connectome
from trainer.fly.simulate import Recording, Simulator
from trainer.score.metrics import activity
from trainer.slot import runtime

N_TYPES, N_COLUMNS = 5, 7
N_FRAMES, BURN_IN, NOISE, DELTA_T = 200, 20, 0.05, 0.02
ITERATIONS = 200  # of an epoch of the base config
CPU = torch.device("cpu")


class Bench:
    """Trains variants of one base config on one recording; equal digests mean equal trainings.

    Sizes of the data and the number of iterations are cut, everything else is the config's own. Double precision, so
    that a coefficient of 1e-7 leaves its trace.
    """

    def __init__(self, base: SlotConfig) -> None:
        self.truth = tiny_connectome()
        self.data = _recording(self.truth)
        self.stats = activity(self.data)
        t = base.training
        # Even, because the recording consists of two sequences of equal length.
        self._n_frames = 2 * max(32, math.ceil(ITERATIONS * t.batch_size / (0.4 * t.data_augmentation_loop)))
        self._known: dict[str, str] = {}

    def __call__(self, config: SlotConfig) -> str:
        """Digest of the trained parameters and of the measured rows, or of where training diverged."""
        key = config.hash()
        if key not in self._known:
            self._known[key] = self._train(config)
        return self._known[key]

    def _train(self, config: SlotConfig) -> str:
        simulation = {"simulation.n_frames": self._n_frames, "simulation.n_sequences": 2}
        short = config.replaced({**simulation, "training.n_metric_points": 2, "training.device": "cpu"})
        share = iterations_per_epoch(short) / iterations_per_epoch(config)
        short = short.replaced(scheduler_in(config.training, share))
        with runtime.prepared(CPU):
            model = make_model(short.graph_model, self.truth, dtype=torch.float64)
            model.initialise(short.training)
            rows: list[str] = []
            try:
                fit(model, short, self.data, self.truth, self.stats, lambda point: rows.append(point.model_dump_json()))
            except TrainingDiverged as error:
                rows.append(str(error.iteration))
        return sha256(model.theta.numpy().tobytes() + "".join(rows).encode())


def tiny_connectome() -> Connectome:
    """35 neurons of 5 types in an eye of extent 1, each with about 7 inputs; the first type sees the light."""
    rng, n = np.random.default_rng(0), N_TYPES * N_COLUMNS
    target, source = np.nonzero((rng.random((n, n)) < 0.2) & ~np.eye(n, dtype=bool))
    types, column = np.arange(n) // N_COLUMNS, np.arange(n) % N_COLUMNS
    strength = rng.choice([-1.0, 1.0], N_TYPES) * rng.uniform(0.03, 0.1, N_TYPES)
    return Connectome(
        source=source.astype(np.int32),
        target=target.astype(np.int32),
        type_index=types.astype(np.int32),
        type_names=tuple(f"T{number}" for number in range(N_TYPES)),
        u=column.astype(np.int32),
        v=np.zeros(n, np.int32),
        input_index=np.arange(N_COLUMNS, dtype=np.int32),
        input_column=np.arange(N_COLUMNS, dtype=np.int32),
        weight=strength[types[source]].astype(np.float32),
        tau=np.linspace(0.03, 0.2, N_TYPES)[types].astype(np.float32),
        V_rest=np.linspace(0.2, 0.7, N_TYPES)[types].astype(np.float32),
        extent=1,
        truth="tiny network to try settings on",
    )


def _recording(truth: Connectome) -> Recording:
    rng = np.random.default_rng(1)
    levels = rng.random((N_FRAMES // 5 + BURN_IN, 1, N_COLUMNS), dtype=np.float32)
    movies = np.repeat(levels, 5, axis=0)[: N_FRAMES + BURN_IN]
    noise = torch.Generator().manual_seed(1)
    data = Simulator(truth, DELTA_T, CPU).run(movies, BURN_IN, NOISE, noise)
    return replace(
        data, voltage=data.voltage.double(), derivative=data.derivative.double(), stimulus=data.stimulus.double()
    )
