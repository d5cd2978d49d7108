"""A dead knob is a problem for the doctor and an error before a night starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent import doctor
from agent.doctor import Finding, examine
from agent.prepare import prepare
from state.campaign import load_campaign
from state.errors import UserError
from state.files import dump_yaml


def write(folder: Path, explorable: dict[str, Any]) -> Path:
    path = folder / "c.yaml"
    path.write_text(dump_yaml({"name": "c", "trainer": "surrogate", "explorable": explorable}))
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTFLY_CACHE", str(tmp_path / "cache"))


ALIVE = {"training.n_epochs": {"choices": [2, 3]}}
DEAD = ALIVE | {"training.batch_size": {"choices": [2, 4]}}


def test_a_healthy_campaign_is_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert examine(write(tmp_path, ALIVE), as_json=False) == 0
    out = capsys.readouterr().out
    assert "ok" in out
    assert "PROBLEM" not in out


def test_a_dead_knob_is_a_problem_with_a_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert examine(write(tmp_path, DEAD), as_json=True) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    good, bad = report["findings"]
    assert (good["ok"], bad["ok"]) == (True, False)
    assert "training.batch_size changes nothing" in bad["message"]
    assert "remove training.batch_size" in bad["mend"]
    assert examine(write(tmp_path, DEAD), as_json=False) == 1
    assert "mend: remove training.batch_size" in capsys.readouterr().out


def test_a_night_with_a_dead_knob_does_not_start(tmp_path: Path) -> None:
    path = write(tmp_path, DEAD)
    with pytest.raises(UserError, match=r"explorable: training\.batch_size changes nothing") as caught:
        prepare(load_campaign(path), path, allow_cpu=True)
    assert str(path) in str(caught.value)
    path = write(tmp_path, ALIVE)
    assert prepare(load_campaign(path), path, allow_cpu=True)["n_neurons"] == 0


def test_further_checks_join_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Finding("disk", False, "full", "free some space")
    monkeypatch.setattr(doctor, "CHECKS", (lambda campaign, file: [bad],))
    assert examine(write(tmp_path, ALIVE), as_json=False) == 1
    assert "free some space" in capsys.readouterr().out
