"""Nights of the other two designs: every batch after the baseline is what the design says, and nothing falls back."""

from __future__ import annotations

import pytest

from agent.night.night import Night
from agent.replay.whole_run import replay_run
from state.history import Iteration
from tests.agent.conftest import play, write_campaign

BATCHES = 9


@pytest.fixture(scope="module", params=["forced_seeds", "one_change"])
def night(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp(request.param)
    file = write_campaign(folder / "c.yaml", policy={"design": request.param}, surrogate={"failure_share": 0.0})
    return play(file, folder / "run", BATCHES)


def batches(night: Night) -> list[list[Iteration]]:
    return [night.history.batch(number) for number in range(2, BATCHES + 1)]


def test_each_batch_is_what_the_design_says(night: Night) -> None:
    for batch in batches(night):
        if night.campaign.policy.design == "forced_seeds":
            assert len({it.planned.config_id for it in batch}) == 1
            assert len({it.planned.simulation_seed for it in batch}) == len(batch)
        else:
            control, *others = batch
            assert control.planned.role == "replicate"
            assert [len(it.planned.changes) for it in others] == [1] * len(others)
            parents = {night.history.iterations[it.planned.parent or 0].planned.config_id for it in others}
            assert parents == {control.planned.config_id}


def test_no_proposal_of_the_mock_is_refused(night: Night) -> None:
    assert "fallback" not in [it.planned.role for batch in batches(night) for it in batch]
    assert replay_run(night.paths.root).passed


def test_new_configs_are_tried(night: Night) -> None:
    assert len({it.planned.config_id for batch in batches(night) for it in batch}) >= 4
