"""What prompts say of the batch to come: seeds offered, nodes barred, time left unused."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.briefing.context import build_context
from agent.night.night import Night
from prompts.render import render_prompt
from tests.agent.conftest import play, write_campaign


def test_both_seed_tests_are_offered_with_numbers(night: Night) -> None:
    context = build_context(night)
    text = render_prompt(context)
    for offer in context.seeds:
        row = f"| {offer.slot} | {offer.simulation_seed} | {offer.training_seed} | {offer.shared_simulation_seed} |"
        assert row in text
        assert offer.simulation_seed not in {seed for _, seed, _ in night.views.known_runs}
    for view in context.configs:
        known = night.views.seeds_of[night.views.config(night.history.iterations[view.node]).identity()]
        assert set(view.simulation_seeds) <= known
        assert " ".join(map(str, view.simulation_seeds)) in text


def test_each_slot_but_the_last_is_barred_from_the_node_beside_it(night: Night) -> None:
    context = build_context(night)
    beside = [view.iteration for view in context.slots][1:]
    assert context.barred == list(enumerate(beside))
    assert f"slot 0 not {beside[0]}," in render_prompt(context)


def test_what_the_batch_owes_is_among_the_configs_shown(night: Night) -> None:
    context = build_context(night)
    named = [one.config_id for one in context.demand.short]
    named += [one.config_id for one in context.demand.owed.candidates] if context.demand.owed else []
    assert named
    assert set(named) <= {view.config_id for view in context.configs}


@pytest.mark.parametrize(("floor", "told"), [(0.0, False), (0.65, True)])
def test_a_campaign_may_ask_for_longer_runs(floor: float, told: bool, tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml", policy={"time_limit_min": 10_000, "time_floor": floor})
    context = build_context(play(file, tmp_path / "run", 1))
    assert ("raise training.data_augmentation_loop" in context.room) is told
    assert (context.room in render_prompt(context)) if told else context.room == ""
    assert ("% of the limit" in render_prompt(context)) is told
