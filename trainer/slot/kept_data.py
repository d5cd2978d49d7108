"""Keeps what a slot simulated, in a place named as the config's `dataset`; knows nothing of how it was made."""

from __future__ import annotations

import os
import re

import numpy as np

from state.errors import ConfigError
from state.paths import SlotPaths
from trainer.fly.simulate import Dataset

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def keep(data: Dataset, paths: SlotPaths, dataset: str) -> None:
    """Write ``data`` as one .npz, whole or not at all; ConfigError where ``dataset`` names no place.

    Arrays, float32: `train_` and `test_` voltage [F, N], derivative [F, N] and stimulus [F, n_in]; `rollout_stimulus`
    [T, n_in], `rollout_voltage` [T, N].
    """
    if not NAME.fullmatch(dataset):
        raise ConfigError(
            f"dataset {dataset!r} names no place to keep data in; simulation.keep_data needs a name of letters, "
            "digits, '.', '_' and '-'"
        )
    arrays = {
        f"{part}_{name}": getattr(recording, name).cpu().numpy()
        for part, recording in (("train", data.train), ("test", data.test))
        for name in ("voltage", "derivative", "stimulus")
    }
    rollout = {name: getattr(data, name).cpu().numpy() for name in ("rollout_stimulus", "rollout_voltage")}
    place = paths.recording(dataset)
    place.parent.mkdir(parents=True, exist_ok=True)
    # Lies where the next attempt removes it, should this one be killed here. At full size it is gigabytes: streamed.
    half = paths.root / f".{place.name}.tmp"
    with half.open("wb") as file:
        np.savez(file, **arrays, **rollout)
        file.flush()
        os.fsync(file.fileno())
    os.replace(half, place)
