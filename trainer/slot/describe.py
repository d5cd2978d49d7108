"""What a config asks of this machine: `python -m trainer.slot.describe CONFIG`, and options.

Builds the connectome into the cache, so that the slots of a batch find it there. With --estimate a few iterations at
full size are timed, with --threads=N on one up to N threads, of which it says how many to take; with --export=FILE the
connectome is also written to a file of its own. Ends with 2 and one sentence on stderr for a user's mistake.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from state.config import SlotConfig
from state.errors import NightflyError
from state.files import read_yaml
from state.schema import validate
from trainer.fit.backend import make_model
from trainer.fit.schedule import iterations_per_epoch
from trainer.fit.training import Trainer
from trainer.fly.connectome import Connectome, load_connectome
from trainer.fly.simulate import generate
from trainer.fly.stimulus import load_stimulus
from trainer.score.metrics import activity
from trainer.slot import runtime
from trainer.slot.threads import choose, time_iterations

ESTIMATE_FRAMES, ESTIMATE_ITERATIONS = 64, 8
MIB = 2**20


def describe(config: SlotConfig) -> dict[str, Any]:
    """Size and truth of the connectome, and the stimulus; ConfigError when either cannot be had."""
    connectome = _connectome(config)
    stimulus = load_stimulus(config.simulation)
    return {
        "n_neurons": connectome.n_neurons,
        "n_edges": connectome.n_edges,
        "truth": connectome.truth,
        "stimulus": stimulus.label,
    }


def estimate(config: SlotConfig, most_threads: int = 0) -> dict[str, Any]:
    """Hours and memory of one slot here, from timed simulation steps and training iterations at full size.

    ``most_threads`` above 0: iterations are timed on the CPU with one up to so many threads, and the best is chosen.
    """
    connectome = _connectome(config)
    device = runtime.choose_device(config.training.device)
    sequences = config.simulation.n_sequences
    frames = sequences * max(1, ESTIMATE_FRAMES // sequences)
    short = config.replaced({"simulation.n_frames": frames, "simulation.burn_in": 0, "simulation.n_test_frames": 50})
    with runtime.prepared(device):
        began = time.perf_counter()
        data = generate(short, connectome, device)
        per_frame = (time.perf_counter() - began) / frames
        timed = _iteration_seconds(short, connectome, data.train, device, most_threads)
    threads = choose(timed) if most_threads else 0
    per_iteration = timed[threads]
    total = iterations_per_epoch(config) * config.training.n_epochs
    n_frames = config.simulation.n_frames
    seconds = per_frame * n_frames + per_iteration * total
    # Two float32 arrays [F, N] hold the recording; what else a slot needs is measured.
    recording = 2 * 4 * n_frames * connectome.n_neurons / MIB
    chosen = {"threads": threads, "ms_by_threads": {n: 1000 * s for n, s in timed.items()}} if threads else {}
    return chosen | {
        "iterations": total,
        "ms_per_iteration": 1000 * per_iteration,
        "slot_hours": seconds / 3600,
        "memory_gb": (runtime.peak_memory_mb(device) + recording) / 1024,
    }


def _iteration_seconds(
    config: SlotConfig, connectome: Connectome, recording: Any, device: torch.device, most_threads: int
) -> dict[int, float]:
    """Threads -> seconds an iteration; 0 = as many as this process has, where there is no choice."""
    model = make_model(config.graph_model, connectome, device)
    model.initialise(config.training)
    with torch.inference_mode():
        trainer = Trainer(model, config, recording, activity(recording))
        trainer.run(2)
        if most_threads:
            return time_iterations(trainer.run, most_threads)
        began = time.perf_counter()
        trainer.run(ESTIMATE_ITERATIONS)
        return {0: (time.perf_counter() - began) / ESTIMATE_ITERATIONS}


def _connectome(config: SlotConfig) -> Connectome:
    return load_connectome(config.connectome, config.simulation.extent, config.simulation.delta_t)


def main(arguments: list[str]) -> int:
    """The command line."""
    path = Path(arguments[0])
    try:
        config = validate(SlotConfig, read_yaml(path), str(path))
        most = next((int(word.partition("=")[2]) for word in arguments[1:] if word.startswith("--threads=")), 0)
        known = describe(config) | (estimate(config, most) if most or "--estimate" in arguments[1:] else {})
        for option in arguments[1:]:
            if option.startswith("--export="):
                _connectome(config).save(Path(option.partition("=")[2]))
    except NightflyError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(known))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
