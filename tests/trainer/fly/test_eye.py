from __future__ import annotations

import numpy as np
import pytest

from trainer.fly.eye import box_blur, eye_radius, hexal_centres, sample


def test_bilinear_sampling_is_exact_on_planes_and_at_pixels() -> None:
    rows, cols = np.mgrid[0:20, 0:30].astype(np.float32)
    plane = 2 * rows - 3 * cols + 1
    r, c = np.array([0.0, 3.25, 18.5], np.float32), np.array([0.0, 7.75, 28.0], np.float32)
    assert sample(plane, r, c) == pytest.approx(2 * r - 3 * c + 1, abs=1e-3)


def test_points_outside_are_moved_to_the_border() -> None:
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    outside = sample(image, np.array([-5.0, 99.0], np.float32), np.array([-5.0, 99.0], np.float32))
    assert outside == pytest.approx([0.0, 11.0], abs=0.02)


def test_box_blur_is_the_mean_of_the_box() -> None:
    image = np.random.default_rng(0).random((15, 15)).astype(np.float32)
    assert box_blur(image, 5)[7, 7] == pytest.approx(image[5:10, 5:10].mean(), abs=1e-6)


def test_the_eye_reaches_as_far_as_its_outermost_box() -> None:
    assert hexal_centres(2).shape == (19, 2)
    assert np.abs(hexal_centres(2)).max() + 6.5 <= eye_radius(2)
