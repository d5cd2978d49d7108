"""W&B offline: every iteration gets a run of its own, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.trackers.sync import sync
from tests.agent.conftest import play, write_campaign

pytest.importorskip("wandb", reason="wandb is not installed: pip install 'nightfly[wandb]'")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def test_each_iteration_is_one_offline_run(tmp_path: Path) -> None:
    play(write_campaign(tmp_path / "campaign.yaml"), tmp_path / "run", 1)
    assert sync(tmp_path / "run", "wandb") == 4
    folders = sorted((tmp_path / "run" / "wandb").glob("offline-run-*"))
    assert len(folders) == 4
    assert all(list(folder.glob("*.wandb")) for folder in folders)
    told = (tmp_path / "run" / "wandb" / "told.txt").read_text().split()
    assert [key.rpartition("-")[2] for key in told] == ["00001", "00002", "00003", "00004"]
    assert sync(tmp_path / "run", "wandb") == 0
