"""Nights without a good reply: Claude away, refusing, cut short, without a key; the night goes on or stops whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, LLMUnavailable, Prompt, Try
from agent.replay.whole_run import replay_run
from state.journal import Record, read_records
from tests.agent.conftest import play, write_campaign

Answer = Completion | LLMUnavailable | None
AWAY = LLMUnavailable("Claude cannot be reached", fatal=False, tries=(Try("overloaded_error", 1.0, "req_1"),))


class Script:
    """Answers the n-th request of a night with ``answers[n]``; None and what is not listed: as the mock would."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = {int(key[1:]): answer for key, answer in answers.items()}
        self.asked: list[Prompt] = []

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        self.asked.append(prompt)
        answer = self.answers.get(len(self.asked) - 1)
        if isinstance(answer, LLMUnavailable):
            raise answer
        return answer or MockLLM().complete(prompt, schema)


def ended(reason: str, text: str = "") -> Completion:
    return Completion(text, reason, {"input_tokens": 10, "output_tokens": 1}, "req_2", "claude-test", 0.25)


def records(root: Path, kind: str) -> list[Record]:
    return [record for record in read_records(root / "journal.jsonl") if record.type == kind]


def test_a_batch_without_claude_runs_replicates_marked_fallback(campaign_file: Path, tmp_path: Path) -> None:
    night = play(campaign_file, tmp_path / "r", 5, Script(_3=AWAY))
    assert [it.planned.role for it in night.history.batch(4)] == ["fallback"] * 4
    assert "fallback" not in [it.planned.role for it in night.history.batch(5)]
    log = night.paths.log.read_text()
    assert "Claude cannot be reached" not in log, "the reason is the journal's"
    assert "not described: no accepted reply" in log
    reply = records(tmp_path / "r", "reply_received")[3].data
    assert reply["reply"] is None
    assert reply["tries"] == [
        {
            "outcome": "overloaded_error",
            "seconds": 1.0,
            "request_id": "req_1",
            "usage": {},
            "cost_usd": None,
            "model": "",
            "form": "full",
        }
    ]
    fallbacks = records(tmp_path / "r", "reply_accepted")[3].data["fallbacks"]
    assert "Claude cannot be reached" in fallbacks["0"][0]
    assert replay_run(tmp_path / "r").passed


def test_after_some_batches_without_claude_the_night_stops_and_can_go_on(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml", claude={"max_fallback_batches": 2})
    away: dict[str, Answer] = {f"_{n}": AWAY for n in range(2, 20)}
    with pytest.raises(LLMUnavailable, match="cannot be reached"):
        play(file, tmp_path / "r", 9, Script(**away))
    replies = [record.data["reply"] is None for record in records(tmp_path / "r", "reply_received")]
    assert replies == [False, False, True, True]
    assert len(records(tmp_path / "r", "slot_finished") + records(tmp_path / "r", "slot_failed")) == 16
    night = play(file, tmp_path / "r", 5)
    assert night.history.committed == 5
    assert all(iteration.attempts == 1 for iteration in night.history.iterations.values())
    assert replay_run(tmp_path / "r").passed


def test_at_the_start_there_is_nothing_to_go_on_with(campaign_file: Path, tmp_path: Path) -> None:
    with pytest.raises(LLMUnavailable):
        play(campaign_file, tmp_path / "r", 2, Script(_0=AWAY))
    assert play(campaign_file, tmp_path / "r", 2).history.committed == 2
    assert replay_run(tmp_path / "r").passed


def test_a_fatal_error_stops_at_once_and_keeps_the_results(campaign_file: Path, tmp_path: Path) -> None:
    with pytest.raises(LLMUnavailable):
        play(campaign_file, tmp_path / "r", 3, Script(_2=LLMUnavailable("no credit")))
    assert len(records(tmp_path / "r", "batch_planned")) == 2
    assert len(records(tmp_path / "r", "slot_finished") + records(tmp_path / "r", "slot_failed")) == 8
    play(campaign_file, tmp_path / "r", 3)
    play(campaign_file, tmp_path / "whole", 3)
    assert (tmp_path / "r" / "analysis.md").read_bytes() == (tmp_path / "whole" / "analysis.md").read_bytes()


@pytest.mark.parametrize("reason", ["refusal", "model_context_window_exceeded"])
def test_a_refusal_begins_a_fresh_conversation_once(reason: str, campaign_file: Path, tmp_path: Path) -> None:
    script = Script(_2=ended(reason, "I cannot"))
    night = play(campaign_file, tmp_path / "r", 3, script)
    first, second = script.asked[2:4]
    assert (first.text, first.images, second.turns) == (second.text, second.images, ())
    assert "fallback" not in [it.planned.role for it in night.history.batch(3)]
    night = play(campaign_file, tmp_path / "twice", 3, Script(_2=ended(reason), _3=ended(reason)))
    assert [it.planned.role for it in night.history.batch(3)] == ["fallback"] * 4
    assert replay_run(tmp_path / "r").passed
    assert replay_run(tmp_path / "twice").passed


@pytest.mark.parametrize("reason", ["max_tokens", None])
def test_a_reply_that_was_cut_is_sent_back_as_cut(reason: str | None, campaign_file: Path, tmp_path: Path) -> None:
    script = Script(_2=Completion('{"slot_0": {"ent', reason))
    night = play(campaign_file, tmp_path / "r", 3, script)
    assert "[cut]" in script.asked[3].text
    assert [turn.role for turn in script.asked[3].turns] == ["user", "assistant"]
    assert "fallback" not in [it.planned.role for it in night.history.batch(3)]
    assert replay_run(tmp_path / "r").passed


def test_away_during_a_repair_keeps_the_good_slots(campaign_file: Path, tmp_path: Path) -> None:
    def spoil(good: Completion) -> Completion:
        import json

        reply = json.loads(good.text)
        reply["slot_1"]["proposal"]["edits"] = [{"key": "training.learning_rate_start", "value": 0.5}]
        return Completion(json.dumps(reply), "end_turn")

    class Spoiling(Script):
        def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
            good = super().complete(prompt, schema)
            return spoil(good) if len(self.asked) == 3 else good

    night = play(campaign_file, tmp_path / "r", 3, Spoiling(_3=AWAY))
    roles = [it.planned.role for it in night.history.batch(3)]
    assert roles[1] == "fallback"
    assert "fallback" not in (roles[0], roles[2], roles[3])
    assert replay_run(tmp_path / "r").passed


def test_every_reply_is_counted_in_dollars_and_tokens(campaign_file: Path, tmp_path: Path) -> None:
    night = play(campaign_file, tmp_path / "r", 3, Script(_1=ended("end_turn"), _2=ended("end_turn")))
    assert night.spending.dollars == 0.5
    assert night.spending.tokens == 22
