"""What the journal implies: configs made again from their parents are those of the blobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.ledger.ledger import Ledger
from agent.ledger.views import Views
from agent.night.night import Night
from agent.replay.whole_run import replay_run
from state.blobs import BlobStore
from state.journal import read_records
from tests.agent.conftest import play, write_campaign
from ucb.score import parse_scores


def test_a_config_made_from_its_parent_is_the_one_in_the_blob(finished: Callable[[int], Night]) -> None:
    night = finished(4)
    ledger = Ledger(night.campaign, BlobStore(night.paths.blobs))
    for record in read_records(night.paths.journal):
        ledger.fold(record)
    iterations = list(ledger.history.iterations.values())
    assert len({it.planned.config_id for it in iterations}) > 1
    for iteration in iterations:
        made = ledger.views._made_again(iteration.planned)
        assert made == ledger.views._read(iteration.planned.config)


def test_a_plan_that_does_not_give_the_blob_is_not_believed(finished: Callable[[int], Night]) -> None:
    night = finished(1)
    iteration = night.history.iterations[2]
    wrong = iteration.planned.model_copy(update={"training_seed": 1})
    views = Views(night.campaign, night.history, night.blobs)
    assert views._made_again(wrong) is None
    iteration.planned = wrong
    assert views.config(iteration).training.seed != 1


def test_a_nodes_reward_may_be_the_mean_of_its_config(tmp_path: Path) -> None:
    night = play(write_campaign(tmp_path / "c.yaml", search={"ucb_reward": "config_mean"}), tmp_path / "run", 5)
    header, *lines = [line for line in night.paths.scores.read_text().splitlines() if line]
    assert header.endswith(", puct, config_mean) ===")
    table = parse_scores(night.paths.scores.read_text())
    bonus = 1.414 * len(lines) ** 0.5
    for score in table.scores:
        name = night.history.iterations[score.node].planned.config_id
        mean = night.views.table[name].spreads["connectivity_R2"].mean
        assert mean is not None
        assert score.ucb == pytest.approx(mean + bonus / (1 + score.visits), abs=6e-4)
    assert "the mean connectivity_R2 over all runs of its config" in night.blobs.text(
        night.history.exchanges[0].prompt["text"]
    )
    assert replay_run(night.paths.root).passed
