"""Who connects to whom: the part of a connectome that is anatomy, before any parameter is chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Wiring:
    """Arrays as in `Connectome`, and of each edge the synapse count, sign and column offset."""

    source: Ints
    target: Ints
    count: Floats
    sign: Floats
    du: Ints
    dv: Ints
    type_index: Ints
    type_names: tuple[str, ...]
    u: Ints
    v: Ints
    input_index: Ints
    input_column: Ints
    extent: int

    @property
    def n_neurons(self) -> int:
        """N."""
        return len(self.type_index)

    @property
    def pair(self) -> NDArray[np.int64]:
        """[E] index of the (source type, target type) pair of each edge, source-major."""
        types = self.type_index.astype(np.int64)
        return types[self.source] * len(self.type_names) + types[self.target]


def columns(extent: int) -> Ints:
    """[C, 2] hexagonal coordinates (u, v) of an eye of ``extent``, ascending; C = 3 e (e + 1) + 1."""
    span = range(-extent, extent + 1)
    return np.array([(u, v) for u in span for v in span if abs(u + v) <= extent], dtype=np.int32)


def column_of(u: NDArray[np.int32], v: NDArray[np.int32], extent: int) -> Ints:
    """Index into `columns` of each coordinate pair."""
    place = {(int(a), int(b)): index for index, (a, b) in enumerate(columns(extent))}
    return np.array([place[int(a), int(b)] for a, b in zip(u, v, strict=True)], dtype=np.int32)
