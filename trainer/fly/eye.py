"""flyvis's hexagonal eye as sampling points: where each hexal looks in an image, and box-blurred images to look at.

Geometry as in flyvis's BoxEye (kernel 13 pixels): hexal (u, v) looks at row 13 (u + v/2), column 13 v from the centre,
and sees the mean light of a 13 by 13 box there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from trainer.fly.wiring import columns

Floats = NDArray[np.float32]

KERNEL = 13


def hexal_centres(extent: int) -> Floats:
    """[C, 2] (row, column) of each hexal in pixels from the centre of the eye, in the order of `columns`."""
    u, v = columns(extent).astype(np.float32).T
    return np.stack([KERNEL * (u + v / 2), KERNEL * v], axis=1).astype(np.float32)


def eye_radius(extent: int) -> float:
    """Pixels from the centre of the eye to the farthest edge of a hexal's box."""
    return float(np.linalg.norm(hexal_centres(extent), axis=1).max()) + KERNEL / 2


def box_blur(image: Floats, size: int) -> Floats:
    """Mean over a ``size`` by ``size`` box around each pixel; the border repeats the outermost pixel."""
    blurred: Floats = uniform_filter(image.astype(np.float32), size=size, mode="nearest")
    return blurred


def sample(image: Floats, rows: Floats, cols: Floats) -> Floats:
    """Bilinear values of ``image`` at the points; points outside are moved to the border."""
    height, width = image.shape
    r, c = np.clip(rows, 0, height - 1.001), np.clip(cols, 0, width - 1.001)
    r0, c0 = r.astype(np.int32), c.astype(np.int32)
    fr, fc = r - r0, c - c0
    flat, corner = image.ravel(), r0 * width + c0
    top = flat[corner] * (1 - fc) + flat[corner + 1] * fc
    low = flat[corner + width] * (1 - fc) + flat[corner + width + 1] * fc
    values: Floats = top * (1 - fr) + low * fr
    return values
