"""Which movies the eye is shown: the user's DAVIS videos, or photographs in motion. Train and test never share one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from state.config import SimulationConfig
from trainer.fly import photographs
from trainer.fly.davis import Davis, davis_root
from trainer.fly.eye import Floats
from trainer.fly.photographs import Photographs

Movies = Callable[[int, int, np.random.Generator], Floats]


@dataclass(frozen=True)
class Stimulus:
    """``train`` and ``test`` make [T, S, C] light in 0..1 from (S sequences, T frames, generator)."""

    train: Movies
    test: Movies
    label: str


def load_stimulus(config: SimulationConfig) -> Stimulus:
    """What a config asks for; `auto` means DAVIS where DATAVIS_ROOT is set. ConfigError if it is not there."""
    wants_davis = config.visual_input_type == "DAVIS" or (
        config.visual_input_type == "auto" and davis_root() is not None
    )
    dark = config.blank_prefix_fraction
    suffix = f", the first {dark:.0%} of each clip dark" if dark else ""
    if not wants_davis:
        pair = [Photographs.load(config.extent, test, dark).movies for test in (False, True)]
        return Stimulus(pair[0], pair[1], photographs.LABEL + suffix)
    both = [Davis.load(config.extent, test, dark) for test in (False, True)]
    return Stimulus(_timed(both[0], config.delta_t), _timed(both[1], config.delta_t), both[0].label + suffix)


def _timed(davis: Davis, delta_t: float) -> Movies:
    return lambda n_sequences, n_frames, rng: davis.movies(n_sequences, n_frames, delta_t, rng)
