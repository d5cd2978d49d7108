"""Settings of the search that a campaign lets the model change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.briefing.context import build_context
from agent.claude.mock import MockLLM, answer
from agent.claude.protocol import Completion, Prompt
from agent.replay.whole_run import replay_run
from prompts.render import render_prompt
from tests.agent.conftest import play, write_campaign
from tests.agent.guard.replies import settled, verdict


def with_setting(reply: Any, **values: Any) -> Any:
    """Slots with one edit more: slot_0=2.0 sets claude.ucb_c."""
    for slot, value in values.items():
        reply[slot]["proposal"]["edits"] = [
            *(edit for edit in reply[slot]["proposal"]["edits"] if edit["key"] != "claude.ucb_c"),
            {"key": "claude.ucb_c", "value": value},
        ]
    return reply


def test_a_setting_that_the_campaign_names_may_be_changed_and_holds_from_then_on(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml", search={"explorable": {"ucb_c": {"min": 0.5, "max": 3}}})
    night = play(file, tmp_path / "r", 2)
    good = answer(build_context(night))
    assert verdict(night, with_setting(good, slot_0=2.0, slot_2=2.0)) == []
    data = settled(night, good)
    assert data["settings"] == {"claude.ucb_c": 2.0}
    assert [p["role"] for p in data["proposals"]] == [good[f"slot_{n}"]["proposal"]["role"] for n in range(4)]
    assert verdict(night, with_setting(good, slot_2=2.5)) == [("setting_conflict", 2)]
    assert verdict(night, with_setting(good, slot_2=1.414)) == [("no_change", 2)]
    assert verdict(night, with_setting(good, slot_2=9.0)) == [("value_not_allowed", 2)]


class Setter(MockLLM):
    """Sets claude.ucb_c to 3 in its reply about batch 1."""

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        reply = json.loads(super().complete(prompt, schema).text)
        if prompt.context.batch == 1:
            with_setting(reply, slot_1=3.0)
        return Completion(json.dumps(reply), "end_turn")


def test_a_changed_setting_rules_the_scores_and_is_replayed(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml", search={"explorable": {"ucb_c": {"min": 0.5, "max": 3}}})
    night = play(file, tmp_path / "r", 3, Setter())
    assert night.history.settings == {"claude.ucb_c": 3.0}
    assert ", c=3" in night.paths.scores.read_text().splitlines()[0]
    assert "(c = 3.0; a node without children gets a bonus of 3.00 " in render_prompt(build_context(night))
    assert replay_run(tmp_path / "r").passed
