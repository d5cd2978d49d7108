"""An old prompt put to today's model: old and new answers, the guard's word on the new, and nothing written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, Prompt
from agent.replay.again import as_data, as_lines, ask_again
from agent.replay.command import replay_command
from state.errors import RunError, UserError


class Other:
    """Proposes something else in slot 0, with an escape sequence in its reason."""

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        reply = json.loads(MockLLM().complete(prompt, schema).text)
        reply["slot_0"]["proposal"] |= {"training_seed": 1, "parent_rule": "\x1b[2Jbecause", "role": "replicate"}
        return Completion(json.dumps(reply), "end_turn", model="other")


def test_the_same_model_says_the_same_and_another_one_is_shown_beside_it(night: Path) -> None:
    before = {path: path.read_bytes() for path in night.rglob("*") if path.is_file()}
    lines = as_lines(ask_again(night, 2, MockLLM()))
    assert [line for line in lines if line.startswith("slot_")] == [f"slot_{n}: same" for n in range(4)]
    assert lines[-1] == "the guard accepts the new answer"
    answers = ask_again(night, 2, Other())
    lines = as_lines(answers)
    assert "slot_0: different" in lines
    assert "slot_1: same" in lines
    assert "\x1b" not in "".join(lines)
    assert any("the guard would send back: [" in line for line in lines)
    data = as_data(answers)
    assert data["models"] == ["mock-explorer", "other"]
    assert data["now"][0]["training_seed"] == 1
    assert {path: path.read_bytes() for path in night.rglob("*") if path.is_file()} == before


def test_an_unreadable_answer_is_shown_as_such(night: Path) -> None:
    class Silent:
        def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
            return Completion("", "end_turn")

    assert "  now   unreadable" in as_lines(ask_again(night, 1, Silent()))


def test_batches_that_are_not_there_and_odd_options_are_refused(
    night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunError, match="no reply was received about batch 9"):
        ask_again(night, 9, MockLLM())
    with pytest.raises(UserError, match="add --batch N"):
        replay_command(night, None, None, True, None, False)
    with pytest.raises(UserError, match="one of the two"):
        replay_command(night, 1, 1, False, None, False)
    with pytest.raises(RunError, match="has no batch 9"):
        replay_command(night, 9, None, False, None, False)
    assert replay_command(night, 2, None, True, None, True) == 0
    assert json.loads(capsys.readouterr().out)["batch"] == 2


def test_a_replay_prints_a_line_a_batch_and_one_object(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay_command(night, None, None, False, None, False) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] if "start" in line else line.split()[2] for line in out[1:4]] == ["PASS"] * 3
    assert out[1].endswith("iterations 1 to 4")
    assert "everything follows: 4 batches" in out[-1]
    assert replay_command(night, None, None, False, None, True) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["passed"]
    assert [batch["batch"] for batch in data["batches"]] == [0, 1, 2, 3]
    good = (night / "slots" / "0005" / "result.json").read_bytes()
    (night / "slots" / "0005" / "result.json").write_bytes(b"{}")
    try:
        assert replay_command(night, None, None, False, None, False) == 1
        out = capsys.readouterr().out
        assert "batch    2  FAIL  0005/result.json" in out
        assert "1 FAILED" in out
    finally:
        (night / "slots" / "0005" / "result.json").write_bytes(good)
