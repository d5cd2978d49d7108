"""What a prompt is made of: constant system part, bounded batch part, each fact where the addendum wants it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.briefing.context import build_context
from agent.claude.mock import MockLLM
from agent.night.derived import Derived
from agent.night.loop import run_batch, start
from agent.night.night import Night, open_night
from prompts.render import render_prompt, render_system
from state.records import TrajectoryPoint
from tests.agent.conftest import CAMPAIGN, play, write_campaign
from trainer.engines.inline import InlineEngine

# The mean over a few batches, since one with four failures is shorter than one without.
NEAR = 6


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[int], set[str]]:
    """Length of each batch prompt of a night of 400 batches, and the system prompts it used."""
    patch = pytest.MonkeyPatch()
    patch.setattr(os, "fsync", lambda descriptor: None)
    patch.setattr(Derived, "flush", lambda self, draw=False: None)
    night = open_night(CAMPAIGN, tmp_path_factory.mktemp("long") / "run", dry_run=True)
    lengths, systems = [], set()
    try:
        start(night, MockLLM())
        for _ in range(400):
            run_batch(night, MockLLM(), InlineEngine(), lambda *_: None)
            prompt = night.history.exchanges[0].prompt
            lengths.append(len(night.blobs.text(prompt["text"])))
            systems.add(prompt["system"])
    finally:
        night.close()
        patch.undo()
    return lengths, systems


def test_a_prompt_does_not_grow_with_the_night(sizes: tuple[list[int], set[str]]) -> None:
    lengths, _ = sizes
    early, late = (sum(lengths[end - NEAR : end]) / NEAR for end in (40, 400))
    assert late <= 1.2 * early
    assert max(lengths) <= 1.5 * early


def test_the_system_prompt_is_the_same_through_a_campaign(sizes: tuple[list[int], set[str]]) -> None:
    assert len(sizes[1]) == 1


def test_each_slot_is_told_in_full(night: Night) -> None:
    context = build_context(night)
    text = render_prompt(context)
    for view in context.slots:
        parent = night.history.iterations.get(view.parent or 0)
        assert view.parent_config_id == (parent.planned.config_id if parent else "C1")
        assert f"Seeds: simulation {view.simulation_seed}, training {view.training_seed}, {view.seed_rationale}" in text
        assert f"Difference to the parent: {view.mutation}\n" in text
        if view.failure is None:
            result = night.history.iterations[view.iteration].result
            assert result is not None
            assert [(p.epoch, p.phase) for p in view.phases] == steps(result.trajectory)
            assert view.phases[-1].moves["tau_R2"][1] == result.trajectory[-1].tau_r2
    assert text.count(" min in all\n") == sum(view.minutes is not None for view in context.slots)


def steps(points: list[TrajectoryPoint]) -> list[tuple[int, str]]:
    return list(dict.fromkeys((point.epoch, point.phase) for point in points))


def test_the_rules_of_the_campaign_stand_in_the_system_prompt(tmp_path: Path) -> None:
    changes = {
        "policy": {"baseline_runs": 7, "max_changes": 1, "time_limit_min": 123, "runs_of_top": 6},
        "search": {"n_parallel": 3, "n_iter_block": 9},
        "thresholds": {"enough_runs": 11},
    }
    night = play(write_campaign(tmp_path / "c.yaml", **changes), tmp_path / "r", 1)
    text = render_system(build_context(night))
    for words in (
        "first 7 runs are the unchanged defaults",
        "changes at most 1 key",
        "over 123 minutes",
        "at least 11 data seeds",
        "A block is 9 iterations",
        "fewer than 6 runs",
        "| 2 | replicate | the current best",
    ):
        assert words in text
    assert "| 3 |" not in text.split("# Roles of the slots")[1].split("#")[0]


def test_the_last_four_block_summaries_are_shown(campaign_file: Path, tmp_path: Path) -> None:
    night = play(campaign_file, tmp_path / "run", 7)  # every batch is a block
    context = build_context(night)
    assert [number for number, _ in context.block_summaries] == [4, 5, 6, 7]
    assert [text for _, text in context.block_summaries] == [text for _, text in night.history.block_summaries]
    text = render_prompt(context)
    assert text.index("Block 4: ") < text.index("Block 7: ") < text.index("# Working memory")


def test_a_long_block_summary_is_cut(night: Night) -> None:
    kept = night.history.block_summaries
    night.history.block_summaries = [(4, "x" * 5000)]
    shown = build_context(night).block_summaries
    night.history.block_summaries = kept
    assert shown == [(1, "x" * 2000 + " ...")]


def test_further_figures_are_shown_where_they_were_measured(night: Night) -> None:
    iteration = night.history.batch(night.history.planned)[0]
    kept = iteration.result
    assert kept is not None
    assert "Further figures:" not in render_prompt(build_context(night))
    iteration.result = kept.model_copy(update={"extra": {"raw_W_R2": 0.61, "tau_slope": 1.0, "spectral_radius": 1.7}})
    text = render_prompt(build_context(night))
    iteration.result = kept
    assert text.count("Further figures: raw_W_R2=0.6100, spectral_radius=1.7000\n") == 1
