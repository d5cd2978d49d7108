"""The winner file says what its config is and is not, and trains as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.claude.mock import MockLLM
from agent.night.night import Night
from agent.night.winner import render_winner
from benchmarks.rehearsal import Rehearsal
from state.campaign import Campaign
from state.files import read_yaml
from state.legacy import load_slot_config
from state.schema import validate

NULL = Path(__file__).resolve().parents[3] / "campaigns" / "null.yaml"


def rehearsed(effect: float, batches: int) -> Rehearsal:
    tree = read_yaml(NULL) | {"surrogate": {"surface": "ridge", "effect": effect, "failure_share": 0.0}}
    made = Rehearsal(validate(Campaign, tree, "null"), MockLLM())
    made.run(batches)
    return made


def test_a_confirmed_config_is_the_winner_and_loads() -> None:
    made = rehearsed(0.2, 30)
    best = made.views.confirmations.best
    assert best is not None
    text = render_winner(made.views, 5)
    assert text is not None
    first, *lines = text.splitlines()
    assert first.endswith(f"(120 iterations): {best.config_id}, confirmed better than the baseline")
    assert any(line.startswith("# Changed from the campaign's defaults: training.") for line in lines)
    assert any(line.startswith("# V_rest_R2: mean 0.") and "data seeds" in line for line in lines)


def test_what_only_leads_is_called_a_candidate() -> None:
    for batches in range(3, 12):
        made = rehearsed(0.0, batches)
        text = render_winner(made.views, 1)
        assert text is not None
        first = text.splitlines()[0]
        if made.views.confirmations.best is None:
            assert first.endswith(
                ("C1, the baseline; nothing leads it", "a CANDIDATE, not confirmed: it may just be lucky")
            )


def test_nothing_has_run_nothing_is_written() -> None:
    made = Rehearsal(validate(Campaign, read_yaml(NULL), "null"), MockLLM())
    assert render_winner(made.views, 1) is None


def test_it_is_written_at_block_ends_and_trains_as_it_is(
    finished: Callable[[int], Night], capsys: pytest.CaptureFixture[str]
) -> None:
    night = finished(2)
    stored = night.paths.winner.read_text()
    assert stored == night.paths.snapshot("winner.yaml", 2).read_text()
    assert "after block 2" in stored
    config, notes = load_slot_config(night.paths.winner)
    assert not notes
    name = stored.splitlines()[0].partition("): ")[2].partition(",")[0]
    assert config.identity() == night.views.config(night.history.iterations[night.views.latest_node[name]]).identity()
