"""Which screening batch is offered: keys in turn, values near the parent's, every run within the time limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.briefing.context import build_context
from agent.briefing.screening import second_values, within_limit
from agent.ledger.policy import work
from agent.night.night import Night
from state.campaign import load_campaign
from state.config import SlotConfig
from state.files import dump_yaml, read_yaml
from tests.agent.conftest import play, write_campaign

EPOCHS, LOOP, JOINT, RATIO = (
    f"training.{leaf}" for leaf in ("n_epochs", "data_augmentation_loop", "alternate_joint_ratio", "alternate_lr_ratio")
)


@pytest.fixture(scope="module")
def base() -> SlotConfig:
    return load_campaign(Path(__file__).resolve().parents[3] / "campaigns" / "surrogate.yaml").base_config()


def test_the_first_keys_that_fit_with_the_first_value_that_does(base: SlotConfig) -> None:
    candidates = {EPOCHS: [3], JOINT: [0.5, 0.3], RATIO: [0.2], LOOP: [25]}
    assert second_values(base, 3, candidates, lambda child: True) == {EPOCHS: 3, JOINT: 0.5, RATIO: 0.2}
    no_half = second_values(base, 3, candidates, lambda child: child.training.alternate_joint_ratio != 0.5)
    assert no_half == {EPOCHS: 3, JOINT: 0.3, RATIO: 0.2}


def test_two_keys_that_are_too_long_only_together_are_not_varied_together(base: SlotConfig) -> None:
    candidates = {EPOCHS: [3], LOOP: [25], JOINT: [0.5], RATIO: [0.2]}
    limit = 1.7 * work(base)
    found = second_values(base, 3, candidates, lambda child: within_limit(base, child, work(child), limit))
    assert found == {EPOCHS: 3, JOINT: 0.5, RATIO: 0.2}
    assert work(base.replaced({EPOCHS: 3})) < limit < work(base.replaced({EPOCHS: 3, LOOP: 25}))


def test_fewer_where_no_more_fit(base: SlotConfig) -> None:
    short = second_values(base, 3, {EPOCHS: [3], JOINT: [0.5], RATIO: []}, lambda child: True)
    assert short == {EPOCHS: 3, JOINT: 0.5}
    assert second_values(base, 3, {EPOCHS: [-1]}, lambda child: True) == {}, "no config has that value"


def night_of(folder: Path, **policy: int) -> Night:
    file = write_campaign(folder / "c.yaml", policy={"screening": 3, **policy}, surrogate={"failure_share": 0.0})
    return play(file, folder / "r", 1)


def test_every_slot_may_name_the_parent_and_all_share_new_data(tmp_path: Path) -> None:
    night = night_of(tmp_path)
    context = build_context(night)
    offer = context.screening
    assert offer is not None
    assert offer.parent not in {node for _, node in context.barred}
    assert offer.config_id == "C1"
    assert offer.simulation_seed not in {it.planned.simulation_seed for it in night.history.iterations.values()}
    assert [len(run.edits) for run in offer.runs] == [0, 2, 2, 2]
    assert offer.left == 3


def test_the_time_limit_leaves_keys_out_and_says_when_too_few_are_left(tmp_path: Path) -> None:
    context = build_context(night_of(tmp_path / "short", time_limit_min=80))
    assert context.screening is not None
    assert not {EPOCHS, LOOP} & set(context.screening.keys)
    few = {key: {"choices": choices} for key, choices in ((EPOCHS, [2, 3]), (LOOP, [20, 25]), (JOINT, [0.4, 0.5]))}
    file = write_campaign(tmp_path / "few.yaml", policy={"screening": 1, "time_limit_min": 80})
    file.write_text(dump_yaml(read_yaml(file) | {"explorable": few}))
    context = build_context(play(file, tmp_path / "few", 1))
    assert context.screening is None
    assert context.no_screening == "fewer than 3 keys have another value that keeps every run within the time limit"
