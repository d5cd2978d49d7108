"""Movies from DAVIS 2017 480p: each video through the hexagonal eye once, kept in the cache."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from state.errors import ConfigError
from state.files import canonical_json, sha256, write_atomic
from trainer.fly.connectome import cache_folder
from trainer.fly.eye import KERNEL, Floats, box_blur, hexal_centres

VARIABLE = "DATAVIS_ROOT"
TREE = Path("JPEGImages") / "480p"
FRAMES_PER_SECOND = 24.0
TRAIN_SHARE = 0.8
VIEWS = 3  # places across a frame from which the eye looks: left, centre, right
_SPLIT_SEED = 0


def davis_root() -> Path | None:
    """The folder that DATAVIS_ROOT names, None when it is not set."""
    value = os.environ.get(VARIABLE)
    return Path(value).expanduser() if value else None


def find_videos() -> list[Path]:
    """The video folders in name order; ConfigError when there is no tree, or no picture in it."""
    root = davis_root()
    if root is None:
        raise ConfigError(
            f"{VARIABLE} is not set; set it to the DAVIS 2017 folder that holds {TREE}, or use photographs"
        )
    folder = root / TREE
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; set {VARIABLE} to the DAVIS 2017 folder that holds {TREE}")
    videos = sorted(path for path in folder.iterdir() if path.is_dir() and any(path.glob("*.jpg")))
    if len(videos) < 2:
        raise ConfigError(f"{folder}: holds {len(videos)} videos with .jpg frames; at least 2 are needed")
    return videos


def split(videos: list[Path]) -> tuple[list[Path], list[Path]]:
    """Train and test videos, 80 to 20 per cent, at least one each; the same for every seed, and disjoint."""
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(videos))
    n_train = min(len(videos) - 1, max(1, round(TRAIN_SHARE * len(videos))))
    train, test = sorted(order[:n_train]), sorted(order[n_train:])
    return [videos[i] for i in train], [videos[i] for i in test]


@dataclass(frozen=True)
class Davis:
    """Rendered videos of one split: each [L, C] light in 0..1 at 24 frames a second.

    ``dark`` is the share of each clip that is black at its beginning.
    """

    clips: tuple[Floats, ...]
    label: str
    dark: float = 0.0

    @classmethod
    def load(cls, extent: int, test: bool, dark: float = 0.0) -> Davis:
        """Render the split's videos, or read them from the cache."""
        videos = find_videos()
        train_videos, test_videos = split(videos)
        chosen = test_videos if test else train_videos
        clips = tuple(clip for video in chosen for clip in _rendered(video, extent))
        label = f"DAVIS, {len(train_videos)} training and {len(test_videos)} test videos"
        return cls(clips, label, dark)

    def movies(self, n_sequences: int, n_frames: int, delta_t: float, rng: np.random.Generator) -> Floats:
        """[T, S, C] light: videos drawn at random, one after the other, frames interpolated in time."""
        light = np.empty((n_frames, n_sequences, self.clips[0].shape[1]), np.float32)
        for sequence in range(n_sequences):
            start = 0
            while start < n_frames:
                shot = self._shot(delta_t, rng)[: n_frames - start]
                light[start : start + len(shot), sequence] = shot
                start += len(shot)
        return light

    def _shot(self, delta_t: float, rng: np.random.Generator) -> Floats:
        """One clip at the simulation's rate, forwards or backwards."""
        clip = self.clips[int(rng.integers(len(self.clips)))]
        clip = clip[::-1] if rng.random() < 0.5 else clip
        at = np.arange(0, len(clip) - 1 + 1e-6, delta_t * FRAMES_PER_SECOND)
        before = np.minimum(at.astype(int), len(clip) - 2)
        share = (at - before).astype(np.float32)[:, None]
        shot: Floats = clip[before] * (1 - share) + clip[before + 1] * share
        shot[: int(self.dark * len(shot))] = 0.0
        return shot


def _rendered(video: Path, extent: int) -> list[Floats]:
    """VIEWS clips [L, C] of one video."""
    frames = sorted(video.glob("*.jpg"))
    stamp = [[frame.name, frame.stat().st_size, frame.stat().st_mtime_ns] for frame in frames]
    key = sha256(canonical_json([str(video.resolve()), extent, VIEWS, stamp]).encode())[:24]
    path = cache_folder() / f"davis-{video.name}-{key}.npy"
    if path.exists():
        return list(np.load(path, allow_pickle=False))
    rendered = np.stack([_look(frame, extent) for frame in frames], axis=1)
    rendered = rendered if rendered.shape[1] > 1 else np.repeat(rendered, 2, axis=1)
    buffer = io.BytesIO()
    np.save(buffer, rendered)
    write_atomic(path, buffer.getvalue())
    return list(rendered)


def _look(frame: Path, extent: int) -> Floats:
    """[VIEWS, C] light of one picture; pictures smaller than the eye are enlarged to it, as BoxEye does."""
    from PIL import Image, UnidentifiedImageError

    centres = hexal_centres(extent)
    need = (centres.max(axis=0) - centres.min(axis=0) + KERNEL).astype(int)
    try:
        with Image.open(frame) as picture:
            grey = picture.convert("L")
    except (OSError, UnidentifiedImageError) as error:
        raise ConfigError(f"{frame}: not readable as a picture; download the DAVIS frames again") from error
    factor = max(1.0, need[0] / grey.height, need[1] / grey.width)
    if factor > 1:
        grey = grey.resize((int(np.ceil(grey.width * factor)), int(np.ceil(grey.height * factor))))
    blurred = box_blur(np.asarray(grey, np.float32) / np.float32(255), KERNEL)
    middle, half = blurred.shape[0] // 2, need[1] // 2
    across = np.linspace(half, blurred.shape[1] - 1 - half, VIEWS)
    rows = np.clip(np.round(middle + centres[:, 0]).astype(int), 0, blurred.shape[0] - 1)
    cols = np.clip(np.round(across[:, None] + centres[:, 1]).astype(int), 0, blurred.shape[1] - 1)
    light: Floats = blurred[rows, cols]
    return light
