"""A repair need not repeat what was right: a slot that is null stands as it was sent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, Prompt
from agent.guard.reply import completed
from agent.replay.whole_run import replay_run
from tests.agent.conftest import play, write_campaign


class Mending(MockLLM):
    """Breaks a rule in slot 1 of batch 2, then sends that slot alone; ``keep`` says which nulls it dares to send."""

    def __init__(self, nulls: tuple[str, ...]) -> None:
        super().__init__()
        self.nulls = nulls
        self.asked: list[Prompt] = []

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        self.asked.append(prompt)
        good = super().complete(prompt, schema)
        if prompt.context.batch != 2:
            return good
        reply = json.loads(good.text)
        if not prompt.turns:
            reply["slot_1"]["proposal"]["edits"] = [{"key": "training.learning_rate_start", "value": 0.5}]
        else:
            reply |= dict.fromkeys(self.nulls)
        return replace(good, text=json.dumps(reply))


def test_only_the_slot_complained_of_is_sent_again(tmp_path: Path) -> None:
    llm = Mending(("slot_0", "slot_2", "slot_3", "memory"))
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "mended", 3, llm)
    repair = next(prompt for prompt in llm.asked if prompt.turns)
    assert "[protected_key]" in repair.text
    assert "give null" in repair.text
    assert "fallback" not in [it.planned.role for it in night.history.batch(3)]
    play(write_campaign(tmp_path / "c.yaml"), tmp_path / "clean", 3)
    assert (tmp_path / "mended" / "analysis.md").read_bytes() == (tmp_path / "clean" / "analysis.md").read_bytes()
    assert replay_run(tmp_path / "mended").passed


def test_the_slot_complained_of_is_not_mended_by_null(tmp_path: Path) -> None:
    llm = Mending(("slot_0", "slot_1", "slot_2", "slot_3", "memory"))
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "run", 3, llm)
    roles = [it.planned.role for it in night.history.batch(3)]
    assert roles[1] == "fallback"
    assert roles.count("fallback") == 1
    assert replay_run(tmp_path / "run").passed


def test_a_null_in_a_first_reply_is_sent_back(tmp_path: Path) -> None:
    class Lazy(Mending):
        def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
            good = MockLLM.complete(self, prompt, schema)
            self.asked.append(prompt)
            if prompt.context.batch != 2 or prompt.turns:
                return good
            return replace(good, text=json.dumps(json.loads(good.text) | {"slot_2": None}))

    llm = Lazy(())
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "run", 3, llm)
    repair = next(prompt for prompt in llm.asked if prompt.turns)
    assert "slot_2" in repair.text
    assert "fallback" not in [it.planned.role for it in night.history.batch(3)]


@pytest.mark.parametrize(
    ("sent", "stands"),
    [
        ([], ""),
        (['{"a": 1}'], '{"a": 1}'),
        (['{"a": 1, "b": 2}', '{"a": null, "b": 3}'], {"a": 1, "b": 3}),
        (['{"a": 1, "b": 2}', '{"b": 3}'], {"a": 1, "b": 3}),
        (['{"a": 1, "b": 2}', '{"b": 3}', '{"a": 4, "b": null}'], {"a": 4, "b": 3}),
        (["no JSON", '{"a": 1}'], '{"a": 1}'),
        (['{"a": 1}', "no JSON"], "no JSON"),
        (['{"a": 1}', "[1]"], "[1]"),
        (["[" * 100_000, '{"a": null}'], '{"a": null}'),
    ],
)
def test_what_stands_after_some_replies(sent: list[str], stands: Any) -> None:
    found = completed(sent)
    assert (json.loads(found) if isinstance(stands, dict) else found) == stands
