from __future__ import annotations

import numpy as np
import pytest

from trainer.fly import photographs
from trainer.fly.photographs import Photographs


@pytest.mark.parametrize("extent", [1, 3, 8])
def test_movies_are_light_that_moves_and_repeats_for_equal_seeds(extent: int) -> None:
    source = Photographs.load(extent, test=False)
    one, two = (source.movies(2, 150, np.random.default_rng(4)) for _ in range(2))
    assert one.shape == (150, 2, 3 * extent * (extent + 1) + 1)
    assert np.array_equal(one, two)
    assert 0 <= one.min() < one.max() <= 1
    assert one.std(axis=0).mean() > 0.02
    assert not np.array_equal(one[:, 0], one[:, 1])


@pytest.mark.parametrize("extent", [1, 8])
def test_no_window_leaves_its_part_so_train_and_test_share_no_pixel(
    extent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every sampled point lies inside the part, and the two parts are cut from the photograph before blurring."""
    seen = []

    def watch(image: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        seen.append((rows.min(), rows.max() - image.shape[0], cols.min(), cols.max() - image.shape[1]))
        return np.zeros(rows.shape, np.float32)

    for test in (False, True):
        source = Photographs.load(extent, test)
        monkeypatch.setattr(photographs, "sample", watch)
        source.movies(6, 200, np.random.default_rng(1))
        monkeypatch.undo()
    bounds = np.array(seen)
    assert (bounds[:, [0, 2]] >= -1).all()
    assert (bounds[:, [1, 3]] <= 1).all()
    train, test_part = Photographs.load(extent, False).parts, Photographs.load(extent, True).parts
    assert [a[0].shape[1] + b[0].shape[1] for a, b in zip(train, test_part, strict=True)] == [640, 640]
