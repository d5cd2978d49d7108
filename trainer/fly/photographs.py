"""Movies without a download: windows that pan, zoom and turn over scikit-learn's two bundled photographs.

Training movies see the left 60 % of each photograph, test movies the right 40 %; a window never crosses the border
between them, blur included, so train and test share no pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.fly.eye import KERNEL, Floats, box_blur, eye_radius, hexal_centres, sample

TRAIN_SHARE = 0.6
CUT = (40, 80)  # frames between two cuts
SCALES = (0.5, 1.0)  # photograph pixels per eye pixel, before it is made to fit
BLURS = (5, 7, 9, 11, 13)
_MAX_SPEED, _MAX_TURN, _MAX_ZOOM = 4.0, 0.03, 0.004  # pixels, radians and share per frame

LABEL = "two photographs in motion (scikit-learn's china and flower), train and test on disjoint parts"


@dataclass(frozen=True)
class Photographs:
    """Renders movies for one extent; ``parts`` holds [photograph][blur] of one split.

    ``dark`` is the share of each shot, from one cut to the next, that is black at its beginning.
    """

    extent: int
    parts: tuple[tuple[Floats, ...], ...]
    dark: float = 0.0

    @classmethod
    def load(cls, extent: int, test: bool, dark: float = 0.0) -> Photographs:
        """The training or the test part of both photographs, blurred once for each size of box."""
        from sklearn.datasets import load_sample_images

        weights = np.array([0.299, 0.587, 0.114], np.float32)
        grey = [image.astype(np.float32) @ weights / 255 for image in load_sample_images().images]
        parts = []
        for image in grey:
            border = int(TRAIN_SHARE * image.shape[1])
            part = image[:, border:] if test else image[:, :border]
            parts.append(tuple(box_blur(part, size) for size in BLURS))
        return cls(extent, tuple(parts), dark)

    def movies(self, n_sequences: int, n_frames: int, rng: np.random.Generator) -> Floats:
        """[T, S, C] light in 0..1."""
        centres = hexal_centres(self.extent)
        light = np.empty((n_frames, n_sequences, len(centres)), np.float32)
        for sequence in range(n_sequences):
            start = 0
            while start < n_frames:
                length = min(int(rng.integers(CUT[0], CUT[1] + 1)), n_frames - start)
                light[start : start + length, sequence] = self._shot(length, centres, rng)
                light[start : start + int(self.dark * length), sequence] = 0.0
                start += length
        return light

    def _shot(self, length: int, centres: Floats, rng: np.random.Generator) -> Floats:
        """[length, C]: one window in smooth motion over one photograph, up to the next cut."""
        images = self.parts[int(rng.integers(len(self.parts)))]
        height, width = images[0].shape
        fits = 0.499 * min(height, width) / eye_radius(self.extent)
        time = np.arange(length, dtype=np.float32)
        scale = min(fits, 1.0) * rng.uniform(*SCALES) * np.exp(rng.uniform(-_MAX_ZOOM, _MAX_ZOOM) * time)
        scale = np.clip(scale, 0.25 * min(fits, 1.0), fits)
        angle = rng.uniform(0, 2 * np.pi) + rng.uniform(-_MAX_TURN, _MAX_TURN) * time
        reach = eye_radius(self.extent) * scale
        row = _bounce(rng, time, reach, height)
        col = _bounce(rng, time, reach, width)
        turned_r = np.cos(angle)[:, None] * centres[:, 0] - np.sin(angle)[:, None] * centres[:, 1]
        turned_c = np.sin(angle)[:, None] * centres[:, 0] + np.cos(angle)[:, None] * centres[:, 1]
        image = images[int(np.argmin([abs(size - KERNEL * scale.mean()) for size in BLURS]))]
        return sample(image, row[:, None] + scale[:, None] * turned_r, col[:, None] + scale[:, None] * turned_c)


def _bounce(rng: np.random.Generator, time: Floats, reach: Floats, size: int) -> Floats:
    """[T] position of a window's centre: straight motion that turns back where the window would leave the image."""
    free = np.maximum(size - 1 - 2 * reach, 1e-3)
    start, speed = rng.uniform(0, 2), rng.uniform(-_MAX_SPEED, _MAX_SPEED)
    phase = np.abs((start + speed * time / free) % 2 - 1)  # a triangle wave between 0 and 1
    position: Floats = (reach + phase * free).astype(np.float32)
    return position
