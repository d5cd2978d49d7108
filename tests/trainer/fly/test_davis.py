from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from state.config import SimulationConfig
from state.errors import ConfigError
from trainer.fly.davis import Davis, find_videos, split
from trainer.fly.stimulus import load_stimulus


def make_tree(root: Path, n_videos: int, n_frames: int = 6, size: tuple[int, int] = (160, 120)) -> Path:
    """A small DAVIS tree: video k is grey k * 20 + a bright bar that moves."""
    for video in range(n_videos):
        folder = root / "JPEGImages" / "480p" / f"video{video:02d}"
        folder.mkdir(parents=True)
        for frame in range(n_frames):
            picture = np.full((size[1], size[0]), video * 20, np.uint8)
            picture[:, (frame * 9) % size[0] : (frame * 9) % size[0] + 12] = 255
            Image.fromarray(picture).save(folder / f"{frame:05d}.jpg")
    return root


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NIGHTFLY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DATAVIS_ROOT", str(tmp_path))
    return make_tree(tmp_path, 5)


def test_videos_are_split_80_to_20_and_never_shared(tree: Path) -> None:
    train, test = split(find_videos())
    assert (len(train), len(test)) == (4, 1)
    assert not set(train) & set(test)
    assert split(find_videos()) == (train, test)


def test_auto_means_davis_when_it_is_set_and_says_so(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimulationConfig(extent=1)
    stimulus = load_stimulus(config)
    assert stimulus.label == "DAVIS, 4 training and 1 test videos"
    light = stimulus.train(3, 40, np.random.default_rng(0))
    assert light.shape == (40, 3, 7)
    assert 0 <= light.min() < light.max() <= 1
    assert light.std(axis=0).max() > 0.05
    monkeypatch.delenv("DATAVIS_ROOT")
    assert "photographs" in load_stimulus(config).label


def test_a_second_look_comes_from_the_cache_and_is_the_same(tree: Path, tmp_path: Path) -> None:
    first = Davis.load(2, test=False).clips
    assert len(list((tmp_path / "cache").glob("davis-*.npy"))) == 4
    again = Davis.load(2, test=False).clips
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_frames_smaller_than_the_eye_are_enlarged(tree: Path) -> None:
    assert Davis.load(8, test=True).clips[0].shape[1] == 217


def test_a_missing_empty_or_broken_tree_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimulationConfig(extent=1, visual_input_type="DAVIS")
    monkeypatch.setenv("NIGHTFLY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DATAVIS_ROOT", raising=False)
    with pytest.raises(ConfigError, match="DATAVIS_ROOT is not set"):
        load_stimulus(config)
    monkeypatch.setenv("DATAVIS_ROOT", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="no such folder"):
        load_stimulus(config)
    (tmp_path / "empty" / "JPEGImages" / "480p" / "a").mkdir(parents=True)
    monkeypatch.setenv("DATAVIS_ROOT", str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match="holds 0 videos"):
        load_stimulus(config)
    make_tree(tmp_path / "bad", 2)
    (tmp_path / "bad" / "JPEGImages" / "480p" / "video00" / "00003.jpg").write_bytes(b"no picture")
    monkeypatch.setenv("DATAVIS_ROOT", str(tmp_path / "bad"))
    with pytest.raises(ConfigError, match=r"00003\.jpg: not readable"):
        load_stimulus(config)
