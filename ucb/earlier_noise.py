"""The noise of an earlier run of the same campaign, pooled with that of the night; as plain data for the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ucb.noise import Noise, Variance, differs

_PARTS = ("seeds", "training", "crossed")


def with_earlier(own: Noise, earlier: Noise) -> Noise:
    """The noise of the night pooled with ``earlier``; a part of it that visibly differs stays the night's own."""
    seeds = _pooled(own.seeds, earlier.seeds)
    taken = seeds.freedom - own.seeds.freedom
    part = (
        (own.training_part * own.seeds.freedom + earlier.training_part * taken) / seeds.freedom
        if taken and seeds.freedom
        else own.training_part
    )
    training, crossed = _pooled(own.training, earlier.training), _pooled(own.crossed, earlier.crossed)
    return replace(own, seeds=seeds, training=training, crossed=crossed, training_part=part)


def _pooled(own: Variance, earlier: Variance) -> Variance:
    """Weighted by the degrees of freedom, as one pools the variances of groups (`ucb.noise.pool`)."""
    if not earlier.known or differs(own, earlier):
        return own
    squares = own.square * own.freedom + earlier.square * earlier.freedom
    return Variance.of(squares, own.freedom + earlier.freedom)


def noise_data(noise: Noise) -> dict[str, Any]:
    """``noise`` as plain data: variance and degrees of freedom of each part."""
    parts = {name: [variance.square, variance.freedom] for name in _PARTS if (variance := getattr(noise, name)).known}
    return parts | {"training_part": noise.training_part}


def noise_of(data: Mapping[str, Any]) -> Noise:
    """What `noise_data` wrote."""
    parts = {name: Variance(float(data[name][0]), int(data[name][1])) for name in _PARTS if name in data}
    return Noise(**parts, training_part=float(data["training_part"]))
