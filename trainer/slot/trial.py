"""Whether a config learns at all: its real training, at full size, cut to a few hundred iterations.

`python -m trainer.slot.trial CONFIG` prints JSON, from the cache when neither config nor trainer changed. All epochs
and phases are there, each shortened alike, so that what only acts in a later epoch acts here too.
"""

from __future__ import annotations

import math
import sys
from dataclasses import asdict, dataclass

import torch

from state.config import SlotConfig
from trainer.fit.backend import make_model
from trainer.fit.schedule import iterations_per_epoch, scheduler_in
from trainer.fit.training import TrainingDiverged, fit
from trainer.fly.connectome import load_connectome
from trainer.fly.simulate import Recording, generate
from trainer.model.protocol import Model, derivative
from trainer.score.metrics import activity
from trainer.slot import runtime
from trainer.slot.remembered import answer

ITERATIONS = 300  # of all epochs together, or at least one per phase
ERROR_FRAMES = 64
MUST_FALL = 0.97  # a config learns if its error after training is below this share of the error before


@dataclass(frozen=True)
class Trial:
    """What a shortened training came to.

    ``error_before`` and ``error_after``: ||pred - dv/dt||_2 / ||dv/dt||_2 over some training frames. ``fault`` says
    what is wrong, '' when the config learns.
    """

    iterations: int
    error_before: float
    error_after: float
    fault: str


def try_training(config: SlotConfig) -> Trial:
    """Train a shortened copy of ``config``; ConfigError when its data cannot be had."""
    short = shortened(config)
    device = runtime.choose_device(config.training.device)
    truth = load_connectome(short.connectome, short.simulation.extent, short.simulation.delta_t)
    with runtime.prepared(device, config.training.matmul):
        data = generate(short, truth, device)
        model = make_model(short.graph_model, truth, device)
        model.initialise(short.training)
        before, undefined = _error(model, data.train), [""]
        total = iterations_per_epoch(short) * short.training.n_epochs
        try:
            fit(
                model, short, data.train, truth, activity(data.train), lambda point: None,
                on_undefined=lambda reasons: undefined.append(reasons),
            )  # fmt: skip
        except TrainingDiverged as error:
            return Trial(total, before, math.inf, str(error))
        after = _error(model, data.train)
    return Trial(total, before, after, _fault(undefined[-1], before, after))


def shortened(config: SlotConfig) -> SlotConfig:
    """``config`` with as few frames as ITERATIONS need, and two measurements an epoch; everything else is its own."""
    t, s = config.training, config.simulation
    per_epoch = max(2, ITERATIONS // t.n_epochs)
    frames = max(64, math.ceil(per_epoch * t.batch_size * 5 / s.n_sequences) * s.n_sequences)
    short = config.replaced(
        {
            "simulation.n_frames": min(frames, s.n_frames),
            "simulation.n_test_frames": 50,
            "training.data_augmentation_loop": 1,
            "training.n_metric_points": 2,
        }
    )
    return short.replaced(scheduler_in(t, iterations_per_epoch(short) / iterations_per_epoch(config)))


def _error(model: Model, data: Recording) -> float:
    some = torch.linspace(0, len(data.voltage) - 1, ERROR_FRAMES, device=data.voltage.device).long()
    true = data.derivative[some]
    with torch.inference_mode():
        off = derivative(model, data.voltage[some], data.stimulus[some]) - true
    return float(off.double().norm() / true.double().norm())


def _fault(undefined: str, before: float, after: float) -> str:
    if undefined:
        return undefined
    if not after < MUST_FALL * before:
        return f"the prediction error did not fall ({before:.3f} before, {after:.3f} after, of the derivative's norm)"
    return ""


def main(arguments: list[str]) -> int:
    """The command line: see `trainer.slot.remembered.answer`."""
    return answer(arguments, "trial", lambda config: asdict(try_training(config)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
