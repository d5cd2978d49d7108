from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from state.config import ConnectomeConfig
from state.errors import ConfigError
from trainer.fly import flyvis_bridge
from trainer.fly.connectome import Connectome, cache_folder, load_connectome


def test_save_and_load_give_everything_back(tiny_truth: Connectome, tmp_path: Path) -> None:
    tiny_truth.save(tmp_path / "c.npz")
    back = Connectome.load(tmp_path / "c.npz")
    for field in fields(Connectome):
        a, b = getattr(tiny_truth, field.name), getattr(back, field.name)
        assert np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b
        assert not isinstance(a, np.ndarray) or a.dtype == b.dtype


def test_what_is_not_a_connectome_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "evil.npz", a=np.array([object()], dtype=object), allow_pickle=True)
    for name in ("none.npz", "text.npz", "other.npz", "evil.npz"):
        with pytest.raises(ConfigError, match=name):
            Connectome.load(tmp_path / name)


def test_a_file_of_another_extent_is_refused(tiny_truth: Connectome, tmp_path: Path) -> None:
    tiny_truth.save(tmp_path / "c.npz")
    config = ConnectomeConfig(source="file", path=str(tmp_path / "c.npz"))
    assert load_connectome(config, tiny_truth.extent, 0.02).n_edges == tiny_truth.n_edges
    with pytest.raises(ConfigError, match=r"simulation\.extent is 7"):
        load_connectome(config, 7, 0.02)


def test_pretrained_without_the_model_says_where_it_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYVIS_ROOT_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match="results/flow/0000/000"):
        load_connectome(ConnectomeConfig(source="pretrained"), 1, 0.02)


def test_with_a_cached_file_flyvis_is_not_needed(
    tiny_truth: Connectome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTFLY_CACHE", str(tmp_path))
    monkeypatch.delenv("FLYVIS_ROOT_DIR", raising=False)
    built = []

    def build(*arguments: object) -> Connectome:
        built.append(arguments)
        return replace(tiny_truth, truth="built once")

    monkeypatch.setattr("trainer.fly.connectome._build", build)
    monkeypatch.setattr(flyvis_bridge, "build_wiring", None)
    for _ in range(2):
        assert load_connectome(ConnectomeConfig(seed=5), 1, 0.02).truth == "built once"
    assert len(built) == 1
    assert cache_folder() == tmp_path
