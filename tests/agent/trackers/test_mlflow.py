"""A real MLflow on SQLite: what it is told, that nothing is told twice, and that its troubles are its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.report.story import read_story
from agent.trackers.facts import judged, tracked
from agent.trackers.mlflow import MlflowTracker
from agent.trackers.sync import sync, track
from agent.trackers.tracker import TrackerError
from state.errors import RunError, UserError
from state.files import dump_yaml, read_yaml
from state.journal import read_records
from state.paths import RunPaths
from tests.agent.conftest import play, write_campaign

pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'nightfly[mlflow]'")


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def store(root: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{root / 'mlflow.db'}")


def told(root: Path) -> dict[int, Any]:
    """Iteration -> its MLflow run."""
    client = store(root)
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = client.search_runs(experiments, max_results=1000)
    by_iteration = {int(run.data.tags["nightfly.iteration"]): run for run in runs}
    assert len(by_iteration) == len(runs), "an iteration was told twice"
    return by_iteration


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which MLflow has been told; not to be written to."""
    folder = tmp_path_factory.mktemp("synced")
    play(write_campaign(folder / "campaign.yaml"), folder / "run", 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert sync(folder / "run", "mlflow") == 20
    return folder / "run"


def nowhere(tmp_path: Path) -> str:
    """An address at which no store can be made: below a file."""
    (tmp_path / "file").touch()
    return f"sqlite:///{tmp_path / 'file' / 'password.db'}"


def results(root: Path) -> dict[int, dict[str, Any]]:
    records = read_records(RunPaths(root).journal)
    return {r.data["iteration"]: r.data["result"] for r in records if r.type in ("slot_finished", "slot_failed")}


def test_each_iteration_is_a_run_with_params_metrics_and_tags(synced: Path) -> None:
    root = synced
    runs, measured = told(root), results(root)
    assert runs.keys() == measured.keys()
    records = [r for r in read_records(RunPaths(root).journal) if r.type == "batch_planned"]
    planned = {slot["iteration"]: slot for record in records for slot in record.data["slots"]}
    for number, run in runs.items():
        tags, plan = run.data.tags, planned[number]
        assert tags["nightfly.role"] == plan["role"]
        assert tags["nightfly.parent"] == ("root" if plan["parent"] is None else str(plan["parent"]))
        assert tags["nightfly.config_id"] == plan["config_id"]
        assert (tags["nightfly.surrogate"], tags["nightfly.dry_run"]) == ("true", "true")
        assert run.data.params["training.seed"] == str(plan["training_seed"])
        assert run.data.params["simulation.seed"] == str(plan["simulation_seed"])
        assert run.info.status == ("FAILED" if measured[number]["failure"] else "FINISHED")
        assert run.info.end_time >= run.info.start_time
        for name, value in measured[number]["metrics"].items():
            assert value is None or run.data.metrics[name] == pytest.approx(value)


def test_metrics_have_their_steps(synced: Path) -> None:
    client, run = store(synced), told(synced)[3]
    points = results(synced)[3]["trajectory"]
    history = client.get_metric_history(run.info.run_id, "connectivity_R2")
    along = [(m.step, m.value) for m in history][: len(points)]
    assert along == [(point["iteration"], pytest.approx(point["connectivity_r2"])) for point in points]
    assert len(history) == len(points) + 1


def test_pictures_are_artifacts(tmp_path: Path) -> None:
    night = play(write_campaign(tmp_path / "campaign.yaml"), tmp_path / "run", 1)
    for iteration in night.history.iterations.values():
        iteration.artifacts["activity.png"] = night.blobs.put(b"\x89PNG of " + str(iteration.planned.slot).encode())
    _, story = read_story(RunPaths(tmp_path / "run"))
    tracker = MlflowTracker(tmp_path / "run")
    one = judged(night)[0]
    tracker.tell(tracked(night, story, "0" * 64, one))
    client = store(tmp_path / "run")
    (run,) = client.search_runs([client.get_experiment_by_name("surrogate").experiment_id])
    assert [artifact.path for artifact in client.list_artifacts(run.info.run_id, "pictures")] == [
        "pictures/activity.png"
    ]
    kept = list((tmp_path / "run" / "mlartifacts").rglob("activity.png"))
    assert [path.read_bytes() for path in kept] == [b"\x89PNG of 0"]


def test_nothing_is_told_twice_not_even_after_a_crash(tmp_path: Path) -> None:
    file, root = write_campaign(tmp_path / "campaign.yaml"), tmp_path / "run"
    play(file, root, 2)
    assert (sync(root, "mlflow"), sync(root, "mlflow")) == (8, 0)
    # What a crash leaves half told.
    store(root).update_run(told(root)[7].info.run_id, status="RUNNING")
    assert sync(root, "mlflow") == 1
    assert told(root)[7].info.status in ("FINISHED", "FAILED")
    play(file, root, 3)
    assert sync(root, "mlflow") == 4
    assert sorted(told(root)) == list(range(1, 13))


def test_two_runs_of_one_campaign_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'shared.db'}")
    monkeypatch.chdir(tmp_path)
    file, roots = write_campaign(tmp_path / "campaign.yaml"), (tmp_path / "one", tmp_path / "two")
    for root in roots:
        play(file, root, 1)
    assert [sync(root, "mlflow") for root in roots] == [4, 4]
    assert [sync(root, "mlflow") for root in roots] == [0, 0]
    assert not (roots[0] / "mlflow.db").exists()


def test_a_store_that_cannot_be_had_is_one_sentence_without_its_address(
    synced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = synced
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nowhere(tmp_path))
    with pytest.raises(TrackerError, match="the store of MLFLOW_TRACKING_URI failed") as caught:
        sync(root, "mlflow")
    assert "password" not in str(caught.value)


def test_what_is_no_run_or_no_tracker_is_refused(tmp_path: Path, synced: Path) -> None:
    with pytest.raises(RunError, match="holds no nightfly run"):
        track(tmp_path / "absent", None)
    with pytest.raises(UserError, match="--to tensorboard: is no tracker; give mlflow or wandb"):
        track(synced, "tensorboard")
    with pytest.raises(UserError, match="tracker: none is set; write `tracker: mlflow`"):
        track(synced, None)


def night(tmp_path: Path, name: str, **changes: object) -> tuple[Path, str]:
    """Two batches through the command line; the run directory and what was said."""
    tree = read_yaml(write_campaign(tmp_path / name / "campaign.yaml"))
    file = tmp_path / name / "campaign.yaml"
    file.write_text(dump_yaml(tree | changes))
    command = [sys.executable, "-m", "agent.cli", "run", str(file), "--dry-run", "--batches", "2"]
    done = subprocess.run(
        [*command, "--runs-dir", str(tmp_path / name / "runs")], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / name / "runs" / "surrogate", done.stderr


def test_a_driver_tells_its_tracker(tmp_path: Path) -> None:
    root, _ = night(tmp_path, "told", tracker="mlflow")
    assert sorted(told(root)) == list(range(1, 9))


def test_a_night_whose_tracker_fails_is_the_night_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nowhere(tmp_path))
    with_, said = night(tmp_path, "with", tracker="mlflow")
    without, _ = night(tmp_path, "without")
    assert said.count("mlflow was not told") == 1
    assert "the night goes on" in said
    for name in ("analysis.md", "memory.md", "ucb_scores.txt"):
        assert (with_ / name).read_bytes() == (without / name).read_bytes()
