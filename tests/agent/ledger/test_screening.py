"""Nights with screening batches: planned as offered, replayed, and their effects are the surface's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.briefing.context import build_context
from agent.commands.rebuild import rebuild
from agent.ledger.evidence import Evidence
from agent.ledger.ledger import Ledger
from agent.ledger.screening import screening_lines, screenings, why_none
from agent.night.night import Night
from agent.replay.whole_run import replay_run
from agent.report.write import write_report
from prompts.context import Candidate, Demand, Owed
from prompts.render import render_prompt
from state.campaign import load_campaign
from state.surrogate import SurrogateConfig
from tests.agent import conftest
from tests.agent.conftest import write_campaign
from trainer.engines.inline import InlineEngine
from trainer.engines.surrogate import true_metrics
from ucb.log import parse_log
from ucb.screening import half_fraction, key_effects, noise_within

# The noise of the data is far larger than any effect, that of training far smaller.
SURFACE = {"failure_share": 0.0, "noise_data": 0.02, "noise_training": 0.0005}


def play(file: Path, root: Path, batches: int) -> Night:
    """`conftest.play` on the surface of the campaign."""
    return conftest.play(file, root, batches, engine=InlineEngine(load_campaign(file).surrogate))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """Baseline, two screening batches, and two batches of exploring; to be read only."""
    root = tmp_path_factory.mktemp("screening")
    return play(write_campaign(root / "c.yaml", policy={"screening": 2}, surrogate=SURFACE), root / "run", 5)


def test_two_batches_follow_the_baseline_and_then_no_more(night: Night) -> None:
    assert screenings(night.history) == [2, 3]
    for number in (2, 3):
        batch = [it.planned for it in night.history.batch(number)]
        assert {planned.role for planned in batch} == {"screening"}
        assert {planned.parent for planned in batch} == {batch[0].parent}
        assert len({planned.simulation_seed for planned in batch}) == 1
        assert len({planned.training_seed for planned in batch}) == 4
        keys = sorted({key for planned in batch for key in planned.changes})
        assert {tuple(key in planned.changes for key in keys) for planned in batch} == set(half_fraction(3))
    first, second = ({key for it in night.history.batch(n) for key in it.planned.changes} for n in (2, 3))
    assert not first & second, "the keys least tried so far are next"
    later = [it.planned.role for number in (4, 5) for it in night.history.batch(number)]
    assert not {"screening", "fallback"} & set(later)


def test_the_log_tells_of_them_and_the_run_replays_and_rebuilds(night: Night) -> None:
    assert replay_run(night.paths.root).passed
    log = night.paths.log.read_text(encoding="utf-8")
    rebuild(night.paths.root)
    assert night.paths.log.read_text(encoding="utf-8") == log
    entries = {entry.iteration: entry for entry in parse_log(log)}
    for it in night.history.batch(2):
        told = entries[it.planned.iteration]
        assert told.role == "screening"
        assert {key.rpartition(".")[2]: step for key, step in it.planned.changes.items()} == told.changes
    assert "Mode/Strategy: screening\n" in log


def test_the_effects_are_those_of_the_surface_whatever_the_data_do(night: Night) -> None:
    """In sign, wherever an effect is larger than four standard errors; the surface is additive."""
    base, surface = night.campaign.base_config(), SurrogateConfig(**SURFACE)
    error, told = 2 * SURFACE["noise_training"] / 2, 0
    for number in (2, 3):
        batch = night.history.batch(number)
        steps = {key: step for it in batch for key, step in it.planned.changes.items()}
        levels = [[key in it.planned.changes for key in steps] for it in batch]
        results = [it.result.metrics["connectivity_R2"] for it in batch if it.result is not None]
        found = key_effects(levels, results, noise_within(night.views.estimates.noise("connectivity_R2")))
        assert found is not None
        for (key, (_, new)), one in zip(steps.items(), found, strict=True):
            changed, unchanged = (
                true_metrics(base.replaced(changes), surface)["connectivity_R2"] for changes in ({key: new}, {})
            )
            assert changed is not None
            assert unchanged is not None
            true = changed - unchanged
            assert one.difference == pytest.approx(true, abs=4 * error)
            if abs(true) > 4 * error:
                told += 1
                assert (one.difference > 0) == (true > 0)
    assert told >= 4


def test_prompt_and_report_tell_of_each_key(night: Night) -> None:
    *lines, noise = screening_lines(night.views)
    assert len(lines) == 2 * 3, "two batches, three keys"
    assert noise.startswith("connectivity_R2, V_rest_R2, tau_R2: the intervals are by the noise of runs on ")
    text, page = render_prompt(build_context(night)), write_report(night.paths.root).read_text(encoding="utf-8")
    for number, line in zip((2, 2, 2, 3, 3, 3), lines, strict=True):
        assert line.startswith(f"Batch {number}, around C1, ")
        assert line.count("95 % interval") == 3, "three metrics"
        assert f"- {line}\n" in text
        assert line.replace(">", "&gt;") in page
    assert "<h3>Screening batches</h3>" in page


def test_a_batch_with_a_lost_run_says_that_it_tells_nothing(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml", policy={"screening": 1}, surrogate=SURFACE)
    play(file, tmp_path / "run", 1)
    failing = InlineEngine(SurrogateConfig(**SURFACE | {"failure_share": 0.6}))
    night = conftest.play(file, tmp_path / "run", 2, engine=failing)
    failed = sum(it.result is not None and it.result.failed for it in night.history.batch(2))
    assert 0 < failed < 4
    line = f"Batch 2, around C1: nothing can be told, {failed} of 4 runs failed or were badly recovered."
    assert screening_lines(night.views)[0] == line
    assert replay_run(night.paths.root).passed


@pytest.mark.parametrize(("slots", "keys"), [(8, 4), (16, 5)])
def test_larger_batches_hold_more_keys(slots: int, keys: int, tmp_path: Path) -> None:
    search = {"n_parallel": slots, "n_iter_block": slots}
    policy = {"screening": 1, "baseline_runs": slots, "time_limit_min": 1000}
    night = play(
        write_campaign(tmp_path / "c.yaml", search=search, policy=policy, surrogate=SURFACE), tmp_path / "r", 2
    )
    assert [it.planned.role for it in night.history.batch(2)] == ["screening"] * slots
    assert len({key for it in night.history.batch(2) for key in it.planned.changes}) == keys
    assert sum("95 % interval" in line for line in screening_lines(night.views)) == keys
    assert replay_run(night.paths.root).passed


def test_what_comes_first(night: Night, tmp_path: Path) -> None:
    free = Demand(baseline=False, min_replicates=2, reason="")
    owed = Owed(runs=1, candidates=[Candidate(config_id="C2", simulation_seeds=[1001])])
    assert why_none(night, free) == "all 2 that the campaign allows have been run"
    begun = Ledger(load_campaign(write_campaign(tmp_path / "c.yaml", policy={"screening": 1})), Evidence(tmp_path))
    assert why_none(begun, free) == ""
    assert why_none(begun, free.model_copy(update={"baseline": True})) == "the baseline comes first"
    assert "confirmation runs are owed" in why_none(begun, free.model_copy(update={"owed": owed}))
    without = Ledger(load_campaign(write_campaign(tmp_path / "d.yaml")), Evidence(tmp_path))
    assert why_none(without, free) == "this campaign allows none"
