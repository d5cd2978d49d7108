"""What holds for every tracker, installed or not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.trackers.sync import sync
from agent.trackers.tracker import TrackerError
from state.campaign import load_campaign
from state.errors import ConfigError
from tests.agent.conftest import play, write_campaign


@pytest.mark.parametrize("kind", ["mlflow", "wandb"])
def test_a_missing_package_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    play(write_campaign(tmp_path / "campaign.yaml"), tmp_path / "run", 1)
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(TrackerError, match=rf"tracker: {kind} is not installed .*pip install 'nightfly\[{kind}\]'"):
        sync(tmp_path / "run", kind)  # type: ignore[arg-type]


def test_the_tracker_may_change_between_evenings(tmp_path: Path) -> None:
    plain = load_campaign(write_campaign(tmp_path / "a.yaml"))
    tracked = load_campaign(write_campaign(tmp_path / "b.yaml", tracker="mlflow"))
    assert (plain.tracker, tracked.tracker) == ("none", "mlflow")
    assert plain.identity() == tracked.identity()


def test_an_unknown_tracker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tracker"):
        load_campaign(write_campaign(tmp_path / "c.yaml", tracker="tensorboard"))


def test_a_driver_loads_no_tracker() -> None:
    code = (
        "import sys, agent.commands.run, agent.trackers.sync\n"
        "print({'mlflow', 'wandb', 'sqlalchemy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
