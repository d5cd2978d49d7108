"""batch.png goes with the prompts of a night whose slots leave pictures, and with no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.briefing.batch_picture import NAME, SHOWN_CONFIGS, _shown
from agent.ledger.open_run import open_run
from state.shapes import PromptRendered
from tests.agent.conftest import CAMPAIGN, play
from tests.agent.replay.conftest import play as play_with_pictures
from ucb.table import VarianceTable
from ucb.variance import Run


def test_it_is_sent_before_the_slots_pictures_and_kept(tmp_path: Path) -> None:
    run = open_run(play_with_pictures(tmp_path / "run", 2))
    prompts = [record.of(PromptRendered) for record in run.records() if record.type == "prompt_rendered"]
    assert [list(prompt["images"])[:1] for prompt in prompts] == [[], [NAME], [NAME]]
    assert len(prompts[1]["images"]) == 9
    pictures = [run.new_ledger().blobs.get(prompt["images"][NAME]) for prompt in prompts[1:]]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert pictures[0] != pictures[1]


def test_slots_without_pictures_have_no_batch_picture(tmp_path: Path) -> None:
    night = play(CAMPAIGN, tmp_path / "run", 1)
    assert night.history.exchanges[0].prompt["images"] == {}


@pytest.mark.parametrize("count", [2, SHOWN_CONFIGS, 60])
def test_baseline_and_batch_are_always_among_the_configs(count: int) -> None:
    table = VarianceTable()
    for number in range(count):
        table.add(Run(f"C{number + 1}", number + 1, 1000 + number, 1, {"connectivity_R2": number / count}))
    names = [stats.config_id for stats in _shown(table, ["C2"])]
    assert {"C1", "C2"} <= set(names)
    assert len(names) == len(set(names)) == min(count, SHOWN_CONFIGS)
