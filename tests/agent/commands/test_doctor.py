"""A dead knob is a problem for the doctor and an error before a night starts."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent.commands import doctor
from agent.commands import prepare as prepare_module
from agent.commands.checked import Checked
from agent.commands.doctor import examine
from agent.commands.doctor_checks import _out_of_reach, _time
from agent.commands.prepare import prepare
from agent.people.steps import Steps
from state.campaign import load_campaign
from state.errors import UserError
from state.files import dump_yaml
from trainer.engines.factory import find_gpus


def write(folder: Path, explorable: dict[str, Any]) -> Path:
    path = folder / "c.yaml"
    path.write_text(dump_yaml({"name": "c", "trainer": "surrogate", "explorable": explorable}))
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTFLY_CACHE", str(tmp_path / "cache"))


ROOT = Path(__file__).resolve().parents[3]
ALIVE = {"training.n_epochs": {"choices": [2, 3]}}
DEAD = ALIVE | {"training.batch_size": {"choices": [2, 4]}}


def test_a_healthy_campaign_is_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert examine(write(tmp_path, ALIVE), dry_run=True, as_json=False) == 0
    out = capsys.readouterr().out
    assert "ok" in out
    assert "PROBLEM" not in out


def test_a_dead_knob_is_a_problem_with_a_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert examine(write(tmp_path, DEAD), dry_run=True, as_json=True) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    good, bad = (finding for finding in report["findings"] if finding["check"] == "explorable")
    assert (good["ok"], bad["ok"]) == (True, False)
    assert "training.batch_size changes nothing" in bad["message"]
    assert "remove training.batch_size" in bad["mend"]
    assert examine(write(tmp_path, DEAD), dry_run=True, as_json=False) == 1
    assert "mend: remove training.batch_size" in capsys.readouterr().out


def test_a_night_with_a_dead_knob_does_not_start(tmp_path: Path) -> None:
    path = write(tmp_path, DEAD)
    with pytest.raises(UserError, match=r"explorable: training\.batch_size changes nothing") as caught:
        prepare(load_campaign(path), path, on_cpu=True)
    assert str(path) in str(caught.value)
    path = write(tmp_path, ALIVE)
    assert prepare(load_campaign(path), path, on_cpu=True)["n_neurons"] == 0


def test_a_gpu_that_is_wished_for_is_asked_for_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without one a night says so before anything is timed, then what a slot takes, and goes on only after a yes."""
    seen = {"slot_hours": 2.0, "ms_per_iteration": 28.1, "iterations": 256_000, "memory_gb": 8.2}
    order: list[str] = []

    def describe(*_: object, **__: object) -> dict[str, Any]:
        order.append(capsys.readouterr().err)
        return seen

    monkeypatch.setattr(prepare_module, "describe", describe)
    monkeypatch.setattr(prepare_module, "find_gpus", list)
    path = tmp_path / "c.yaml"
    path.write_text(dump_yaml({"name": "c", "engine": {"needs_gpu": True}, "explorable": DEAD}))
    with pytest.raises(UserError, match=r"one slot takes about 120 min \(28 ms .*; add --on-cpu"):
        prepare(load_campaign(path), path, on_cpu=False, steps=Steps())
    assert "this machine has none; --on-cpu goes on without" in order[0]
    # After a yes it goes on to the next question, which this campaign cannot answer.
    monkeypatch.setattr(prepare_module, "knobs", lambda *_: [{"key": "k", "alive": False, "reason": "r"}])
    with pytest.raises(UserError, match="k changes nothing"):
        prepare(load_campaign(path), path, on_cpu=True, steps=Steps())
    assert "going on without, as asked" in order[1]
    assert "one slot takes about 120 min" in capsys.readouterr().err


def test_further_checks_join_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Checked("disk", False, "full", "free some space")
    monkeypatch.setattr(doctor, "CHECKS", (lambda campaign, file, step: [bad],))
    assert examine(write(tmp_path, ALIVE), dry_run=True, as_json=False) == 1
    assert "free some space" in capsys.readouterr().out


def problems(folder: Path, capsys: pytest.CaptureFixture[str], dry_run: bool = True, **sections: Any) -> dict[str, str]:
    """check -> message of what the doctor complains of in a surrogate campaign with ``sections``."""
    path = folder / "c.yaml"
    path.write_text(dump_yaml({"name": "c", "trainer": "surrogate", "explorable": ALIVE} | sections))
    code = examine(path, dry_run, as_json=True)
    found = json.loads(capsys.readouterr().out)["findings"]
    assert all(finding["mend"] for finding in found if not finding["ok"])
    assert code == (0 if all(finding["ok"] for finding in found) else 1)
    return {finding["check"]: finding["message"] for finding in found if not finding["ok"]}


def test_people_who_cannot_be_told_a_past_end_and_a_full_disk_are_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert problems(tmp_path, capsys) == {}
    monkeypatch.delenv("HOOK", raising=False)
    assert "HOOK holds no web address" in problems(tmp_path, capsys, notify={"webhook_env": "HOOK"})["notify"]
    assert "no program" in problems(tmp_path, capsys, notify={"command": ["/no/such/program"]})["notify"]
    assert "is past" in problems(tmp_path, capsys, budget={"finish_by": "2026-01-01 07:30"})["budget"]
    huge = problems(tmp_path, capsys, budget={"max_batches": 10**9})
    assert "1000000000 batches need about" in huge["disk"]


def test_without_a_key_claude_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    assert "ANTHROPIC_API_KEY is not set" in problems(tmp_path, capsys, dry_run=False)["claude"]


def test_a_real_campaign_is_measured_by_a_real_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTFLY_CACHE", str(request.config.cache.mkdir("connectome")))
    small = {"extent": 1, "n_frames": 1600, "n_sequences": 8}
    sections = {"trainer": "gnn", "simulation": small, "graph_model": {"hidden_dim": 8, "hidden_dim_update": 8}}
    found = problems(tmp_path, capsys, **sections, engine={"time_limit_min": 1e-6, "needs_gpu": True})
    assert "ms an iteration measured at full size" in found["time"]
    assert ("gpu" in found) == (not find_gpus())


@pytest.mark.parametrize(("hours", "ok"), [(0.5, True), (1.6, False), (5.0, False)])
def test_a_slot_beyond_a_limit_is_a_problem(tmp_path: Path, hours: float, ok: bool) -> None:
    campaign = load_campaign(write(tmp_path, ALIVE))
    finding = _time(campaign, {"slot_hours": hours, "ms_per_iteration": 1.0, "iterations": 10})
    assert finding.ok == ok
    assert bool(finding.mend) == (not ok)
    assert ("policy.time_limit_min is 90" in finding.message) == (hours == 1.6)


@pytest.mark.parametrize(("load", "told"), [(0.1, False), (1e6, True)])
def test_the_load_of_the_machine_is_not_the_campaigns_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: float, told: bool
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    campaign = load_campaign(write(tmp_path, ALIVE))
    for hours in (1.6, 5.0):
        finding = _time(campaign, {"slot_hours": hours, "ms_per_iteration": 1.0, "iterations": 10})
        assert ("other programs are at work here" in finding.mend) == told


def test_the_demo_has_room_for_a_machine_a_hundred_times_as_slow_as_a_quiet_core() -> None:
    campaign = load_campaign(ROOT / "campaigns" / "quickstart.yaml")
    assert campaign.policy.time_limit_min >= 100 * 0.25
    assert campaign.engine.time_limit_min > campaign.policy.time_limit_min


def test_values_that_the_time_limit_puts_out_of_reach_are_named(tmp_path: Path) -> None:
    """The addendum's own table: at 76 minutes by default, three epochs and more loops pass its limit of 90."""
    loops = {"choices": [20, 25, 30]}
    ratio = {"choices": [0.3, 0.4]}
    keys = {"training.data_augmentation_loop": loops, "training.alternate_joint_ratio": ratio}
    campaign = load_campaign(write(tmp_path, ALIVE | keys))
    (found,) = _out_of_reach(campaign, {"slot_hours": 76 / 60})
    assert found.ok
    assert found.message == (
        "over policy.time_limit_min 90, so only beside less work elsewhere: training.n_epochs = 3 (114 min), "
        "training.data_augmentation_loop = 25 (95 min), training.data_augmentation_loop = 30 (114 min)"
    )
    assert _out_of_reach(campaign, {"slot_hours": 0.5}) == []


@pytest.fixture
def ray_dashboard() -> Iterator[str]:
    """The address of something that answers as Ray's dashboard does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"ray_version": "2.60.0"}' if self.path == "/api/version" else b"[]"
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_cluster_that_answers_is_ok_and_one_that_does_not_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ray_dashboard: str
) -> None:
    assert "engine" not in problems(tmp_path, capsys, engine={"kind": "ray", "ray": {"address": ray_dashboard}})
    found = problems(tmp_path, capsys, engine={"kind": "ray", "ray": {"address": "http://127.0.0.1:9"}})
    assert "127.0.0.1:9" in found["engine"]


def test_a_partition_that_does_not_exist_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text('#!/bin/sh\necho "sbatch: error: invalid partition specified: nowhere" >&2\nexit 1\n')
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sbatch.parent}{os.pathsep}{os.environ['PATH']}")
    found = problems(tmp_path, capsys, engine={"kind": "slurm", "slurm": {"partition": "nowhere"}})
    assert "invalid partition specified: nowhere" in found["engine"]
