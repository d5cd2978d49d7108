"""A run that takes over the noise of an earlier one: its figures, from where, what is refused; it replays alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.briefing.evidence import noise_lines
from agent.cli import app
from agent.ledger.earlier_run import earlier_noise
from agent.ledger.open_run import open_run
from agent.replay.whole_run import replay_run
from state.campaign import Campaign
from state.errors import RunError
from state.files import dump_yaml, read_yaml
from state.schema import validate
from ucb.earlier_noise import with_earlier

NULL = Path(__file__).resolve().parents[3] / "campaigns" / "null.yaml"


def command(folder: Path, runs: str, *options: str, **changes: object) -> str:
    """The output of `nightfly run` with the null campaign, with ``changes`` of its keys."""
    file = folder / "campaign.yaml"
    file.write_text(dump_yaml(read_yaml(NULL) | changes))
    words = ["run", str(file), "--dry-run", "--runs-dir", str(folder / runs), "--batches", "3", *options]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 or isinstance(done.exception, SystemExit | RunError), done.exception
    return done.output if done.exception is None or isinstance(done.exception, SystemExit) else str(done.exception)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an earlier run in first/null and one that was begun with its noise in second/null."""
    folder = tmp_path_factory.mktemp("runs")
    command(folder, "first")
    seeds = {"simulation_base": 9000, "training_base": 600_000}
    command(folder, "second", "--noise-from", str(folder / "first" / "null"), seeds=seeds)
    return folder


def test_the_noise_of_both_runs_is_pooled_and_the_prompt_says_from_where(folder: Path) -> None:
    first, second = (open_run(folder / name / "null").ledger() for name in ("first", "second"))
    earlier, both = (ledger.views.estimates.noise("connectivity_R2") for ledger in (first, second))
    second.views.estimates.earlier.clear()
    second.views.estimates.changed()
    own = second.views.estimates.noise("connectivity_R2")
    assert own.seeds.freedom >= 8
    assert both == with_earlier(own, earlier)
    assert both.seeds.freedom == own.seeds.freedom + earlier.seeds.freedom
    origin = noise_lines(second)[0]
    assert "earlier run null" in origin
    assert f"connectivity_R2 {earlier.seeds.freedom}" in origin
    prompt = second.blobs.text(second.history.exchanges[0].prompt["text"])
    assert origin in prompt
    assert not any("earlier run" in line for line in noise_lines(first))


def test_it_replays_without_the_earlier_run(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "null"
    shutil.copytree(folder / "second" / "null", alone)
    assert replay_run(alone).passed


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"training": {"n_epochs": 3}}, "training.n_epochs"),
        ({"surrogate": {"surface": "flat", "noise_data": 0.05}}, "surrogate.noise_data"),
        ({"trainer": "gnn", "surrogate": {}}, "trainer"),
    ],
)
def test_a_run_of_another_campaign_is_refused(folder: Path, change: dict[str, object], key: str) -> None:
    campaign = validate(Campaign, read_yaml(NULL) | change, "null")
    with pytest.raises(RunError, match=rf"same campaign, and {key} differs") as caught:
        earlier_noise(folder / "first" / "null", campaign)
    assert "\n" not in str(caught.value)


def test_data_that_would_count_twice_are_refused(folder: Path) -> None:
    campaign = validate(Campaign, read_yaml(NULL), "null")
    with pytest.raises(RunError, match=r"count twice.*seeds.simulation_base \(now 1000\)"):
        earlier_noise(folder / "first" / "null", campaign)
    other = validate(Campaign, read_yaml(NULL) | {"seeds": {"simulation_base": 50_000}}, "null")
    assert earlier_noise(folder / "first" / "null", other)["metrics"]
    with pytest.raises(RunError, match="was itself begun with the noise of null"):
        earlier_noise(folder / "second" / "null", other)


def test_a_run_that_has_begun_takes_nothing_over(folder: Path) -> None:
    assert "this one has begun" in command(folder, "first", "--noise-from", str(folder / "second" / "null"))


def test_what_is_no_run_is_refused(folder: Path, tmp_path: Path) -> None:
    assert "holds no nightfly run" in command(folder, "third", "--noise-from", str(tmp_path))
