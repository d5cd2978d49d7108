"""`nightfly prompt` shows the very bytes that were sent, and the very bytes that will be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.commands.prompt import next_prompt, past_prompt, print_prompt
from agent.night.derived import Derived
from agent.night.night import Night
from state.errors import RunError
from state.journal import Journal, read_records
from tests.agent.conftest import play
from tests.agent.night.test_loop import Faulty, Stop, break_rule


def sent(root: Path, batch: int) -> list[str]:
    blobs = root / "blobs"
    found = [r for r in read_records(root / "journal.jsonl") if r.type == "prompt_rendered" and r.batch == batch]
    return [(blobs / record.data["text"]).read_text() for record in found]


def test_a_past_conversation_is_shown_with_its_repairs_and_replies(
    campaign_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "r"
    play(campaign_file, root, 2, Faulty(break_rule, 1))
    parts = past_prompt(root, 2)
    assert [part["title"] for part in parts] == [
        "system", "prompt (batch)", "reply (faulty)", "prompt (repair)", "reply (mock-explorer)",
    ]  # fmt: skip
    assert [part["text"] for part in parts if part["title"].startswith("prompt")] == sent(root, 2)
    print_prompt(root, 2, as_json=False)
    assert sent(root, 2)[0] in capsys.readouterr().out
    print_prompt(root, 0, as_json=True)
    assert json.loads(capsys.readouterr().out)["parts"][1]["title"] == "prompt (start)"


def test_what_comes_next_is_what_is_then_sent(
    campaign_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, append = tmp_path / "r", Journal.append
    monkeypatch.setattr(Derived, "draw", lambda self: None)

    def stop_before_the_prompt(self: Journal, kind: str, batch: int, data: object) -> object:
        if kind == "prompt_rendered" and batch == 2:
            raise Stop
        return append(self, kind, batch, data)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", stop_before_the_prompt)
        with pytest.raises(Stop):
            play(campaign_file, root, 3)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    shown = {part["title"]: part["text"] for part in next_prompt(root)}
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    night: Night = play(campaign_file, root, 2)
    assert sent(root, 2) == [shown["prompt (batch)"]]
    assert night.blobs.text(night.history.exchanges[0].prompt["system"]) == shown["system"]


def test_what_cannot_be_shown_is_one_sentence(campaign_file: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no nightfly run"):
        past_prompt(tmp_path, 1)
    play(campaign_file, tmp_path / "r", 1)
    with pytest.raises(RunError, match="nothing was asked about batch 7"):
        past_prompt(tmp_path / "r", 7)
    with pytest.raises(RunError, match="comes after batch 2"):
        next_prompt(tmp_path / "r")
