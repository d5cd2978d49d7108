"""What people ask of a run from outside: instructions for Claude, pause, resume, stop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, Prompt
from agent.commands.tell import ask_driver, tell
from agent.night.inbox import request
from agent.night.user_input import HEADER, LONGEST, move_acknowledged, pending
from agent.night.user_input import tell as add
from agent.replay.whole_run import replay_run
from state.errors import RunError, UserError
from state.journal import read_records
from tests.agent.conftest import play, write_campaign


def test_an_instruction_reaches_the_prompt_and_moves_when_acknowledged(campaign_file: Path, tmp_path: Path) -> None:
    root = tmp_path / "r"
    play(campaign_file, root, 1)
    tell(root, "Prefer small steps of lr_ratio.")
    tell(root, "And no {{ templates }}.")
    night = play(campaign_file, root, 3)
    prompts = [
        night.blobs.text(r.data["text"]) for r in read_records(night.paths.journal) if r.type == "prompt_rendered"
    ]
    asked = [n for n, text in enumerate(prompts) if "Prefer small steps of lr_ratio.\nAnd no {{ templates }}." in text]
    assert asked == [2], "sent once, with the prompt about batch 2, and not again after its acknowledgement"
    text = night.paths.user_input.read_text()
    assert pending(night.paths.user_input) == ""
    assert "### Batch 2, " in text
    assert "> Prefer small steps of lr_ratio.\n> And no {{ templates }}." in text
    assert "Claude: Read and noted." in text
    kinds = [r.data["kind"] for r in read_records(night.paths.journal) if r.type == "user_input_taken"]
    assert kinds == ["instruction", "acknowledged"]
    assert replay_run(root).passed


class Deaf(MockLLM):
    """Never acknowledges anything."""

    def complete(self, prompt: Prompt, schema: dict[str, object]) -> Completion:
        reply = json.loads(super().complete(prompt, schema).text)
        if "acknowledged" in reply:
            reply["acknowledged"] = None
        return Completion(json.dumps(reply), "end_turn")


def test_an_instruction_that_is_not_acknowledged_stays_and_is_sent_again(campaign_file: Path, tmp_path: Path) -> None:
    root = tmp_path / "r"
    play(campaign_file, root, 1)
    tell(root, "Look at node 3.")
    night = play(campaign_file, root, 3, Deaf())
    assert pending(night.paths.user_input) == "Look at node 3."
    taken = [r.batch for r in read_records(night.paths.journal) if r.type == "user_input_taken"]
    assert taken == [2, 3]


def test_a_file_written_by_hand_without_the_line_counts_whole(tmp_path: Path) -> None:
    path = tmp_path / "user_input.md"
    assert pending(path) == ""
    path.write_text("look at node 3\n")
    assert pending(path) == "look at node 3"
    path.write_bytes(b"caf\xe9\n")
    assert pending(path).startswith("caf")
    path.write_text("x" * (LONGEST + 5))
    assert f"{LONGEST + 5} characters" in pending(path)


def test_what_was_added_meanwhile_stays_pending_and_moving_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "user_input.md"
    path.write_text(HEADER)
    add(path, "first")
    add(path, "second")
    move_acknowledged(path, "first", "yes\nindeed", 4, "2026-01-01T00:00:00Z")
    once = path.read_text()
    assert pending(path) == "second"
    assert "> first\n\nClaude: yes indeed" in once
    move_acknowledged(path, "first", "yes\nindeed", 4, "2026-01-01T00:00:00Z")
    assert path.read_text() == once


def test_requests_without_a_driver_and_empty_instructions_are_refused(campaign_file: Path, tmp_path: Path) -> None:
    play(campaign_file, tmp_path / "r", 1)
    with pytest.raises(RunError, match="no driver is at work, so there is nothing to pause"):
        request(tmp_path / "r", "pause")
    with pytest.raises(RunError, match="holds no nightfly run"):
        ask_driver(tmp_path, "stop")
    with pytest.raises(UserError, match="empty"):
        tell(tmp_path / "r", "  ")


@pytest.fixture
def driver(tmp_path: Path) -> Callable[[], subprocess.Popen[str]]:
    """Starts a driver of an endless surrogate night in RUNS/surrogate."""
    file = write_campaign(tmp_path / "c.yaml")
    command = [
        sys.executable,
        "-m",
        "agent.cli",
        "run",
        str(file),
        "--dry-run",
        "--runs-dir",
        str(tmp_path),
        "--batches",
    ]

    def start() -> subprocess.Popen[str]:
        root = Path(__file__).resolve().parents[3]
        pipe = subprocess.PIPE
        return subprocess.Popen([*command, "100000"], cwd=root, stdout=pipe, stderr=pipe, text=True, env={**os.environ})

    return start


def committed(root: Path) -> int:
    """Batches in the log so far."""
    log = root / "analysis.md"
    return log.read_text().count("\n## Iter ") // 4 if log.exists() else 0


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def taken(root: Path) -> list[str]:
    return [r.data["kind"] for r in read_records(root / "journal.jsonl") if r.type == "user_input_taken"]


def test_pause_resume_and_stop_from_another_shell(driver: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    process, root = driver(), tmp_path / "surrogate"
    try:
        until(lambda: committed(root) >= 2)
        ask_driver(root, "pause")
        until(lambda: taken(root) == ["pause"])
        time.sleep(0.3)
        here = committed(root)
        time.sleep(1.0)
        assert committed(root) == here
        ask_driver(root, "resume")
        until(lambda: committed(root) > here)
        ask_driver(root, "stop")
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "stopped on request after batch" in out
    assert taken(root) == ["pause", "resume", "stop"]
    assert replay_run(root).passed


HOSTILE = [
    "## Acknowledged",
    "---",
    "  ---  ",
    "\\## Acknowledged",
    "\\\\---",
    "### Batch 1, now",
    "> quoted",
    "Claude: yes",
]


@pytest.mark.parametrize("line", HOSTILE)
def test_no_line_of_an_instruction_is_structure(line: str, campaign_file: Path, tmp_path: Path) -> None:
    root = tmp_path / "r"
    play(campaign_file, root, 1)
    text = f"Before.\n{line}\nAfter it, use small steps."
    tell(root, text)
    tell(root, "And another one.")
    assert pending(root / "user_input.md") == f"{text}\nAnd another one."
    night = play(campaign_file, root, 2)
    prompts = [
        night.blobs.text(r.data["text"]) for r in read_records(night.paths.journal) if r.type == "prompt_rendered"
    ]
    assert text in prompts[-1]
    assert pending(root / "user_input.md") == ""
    tell(root, f"Again {line}\n{line}")
    assert pending(root / "user_input.md") == f"Again {line}\n{line}".rstrip()
    night = play(campaign_file, root, 3)
    assert pending(root / "user_input.md") == ""
    assert night.paths.user_input.read_text().count("### Batch") >= 2
    assert replay_run(root).passed


def test_a_heading_that_a_person_wrote_by_hand_hides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "user_input.md"
    path.write_text(f"{HEADER}First.\n## Acknowledged\nSecond.\n")
    add(path, "Third.")
    move_acknowledged(path, "nothing of this", "yes", 1, "now")
    assert "Third." in path.read_text()
    path.write_text(
        f"{HEADER}First.\n## Acknowledged\nSecond.\n\n## Acknowledged\n\n### Batch 1, now\n> x\n\nClaude: y\n"
    )
    assert pending(path) == "First.\n## Acknowledged\nSecond."
