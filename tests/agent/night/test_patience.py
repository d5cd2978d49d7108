"""Limits with a clock: the slots go on with replicates, then the night waits for the time that the service named."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from agent.replay.whole_run import replay_run
from state.journal import Record, read_records
from tests.agent.claude.fake_anthropic import Answer, Server, refuse, send_json, stream
from tests.agent.claude.test_client import serve
from tests.agent.conftest import write_campaign
from tests.agent.test_cli import COMMAND, ENVIRONMENT, ROOT, here, status_of

__all__ = ["serve"]


def limited(until: datetime, kind: str = "rate_limit_error", code: str | None = None) -> Answer:
    """A usage limit that names its time in its words, and nothing in a header."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        words = f"You have reached your usage limit; it resets at {until.isoformat(timespec='seconds')}"
        error = {"type": kind, "message": words, "details": {"error_code": code}}
        send_json(handler, 429, {"type": "error", "error": error})

    return respond


class Until:
    """Refuses until ``moment``, then replies what the mock said in an undisturbed night, prompt by prompt."""

    def __init__(self, moment: datetime, replies: list[str], before: int, trouble: Answer) -> None:
        self.moment, self.replies, self.before, self.trouble = moment, replies, before, trouble
        self.said = self.refused = 0

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        if self.said >= self.before and datetime.now(UTC) < self.moment:
            self.refused += 1
            self.trouble(handler)
            return
        reply = self.replies[min(self.said, len(self.replies) - 1)]
        self.said += 1
        stream(reply)(handler)


def of(root: Path, kind: str) -> list[Record]:
    return [record for record in read_records(root / "journal.jsonl") if record.type == kind]


def replies_of_the_mock(file: Path, folder: Path, batches: int) -> list[str]:
    assert here("run", file, "--dry-run", "--runs-dir", folder, "--batches", batches)[0] == 0
    root = folder / "surrogate"
    return [(root / "blobs" / r.data["reply"]).read_text() for r in of(root, "reply_received")]


@pytest.mark.parametrize("way", ["header", "words", "spend limit"])
def test_the_slots_work_on_replicates_then_the_night_waits_and_goes_on(
    way: str, serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_campaign(tmp_path / "c.yaml", claude={"max_fallback_batches": 1, "patience_minutes": 0.01})
    replies = replies_of_the_mock(file, tmp_path / "mock", 2)
    moment = datetime.now(UTC) + timedelta(seconds=12)
    trouble = {
        "header": lambda handler: refuse(
            429, "rate_limit_error", retry_after=str(max(1, round((moment - datetime.now(UTC)).total_seconds())))
        )(handler),
        "words": limited(moment),
        "spend limit": limited(moment, code="enforced_spend_limit_reached"),
    }[way]
    until = Until(moment, replies, before=1, trouble=trouble)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", serve(until).url)
    code, _, err = here("run", file, "--runs-dir", tmp_path / "runs", "--batches", 2)
    root = tmp_path / "runs" / "surrogate"
    assert code == 0, err
    assert "waiting for Claude until 20" in err
    assert [r.batch for r in of(root, "batch_planned")] == [1, 2]
    told = [r.data["reply"] is None for r in of(root, "reply_received")]
    assert told[:2] == [False, True], "batch 1 was settled by fallbacks at once, so that batch 2 ran meanwhile"
    assert of(root, "claude_awaited")[0].batch == 2
    assert told[-1] is False
    assert replay_run(root).passed


def test_no_night_waits_past_its_end(
    serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_campaign(tmp_path / "c.yaml", claude={"patience_minutes": 0.001})
    monkeypatch.setenv("ANTHROPIC_BASE_URL", serve(limited(datetime.now(UTC) + timedelta(hours=9))).url)
    end = (datetime.now() + timedelta(hours=2)).isoformat(timespec="minutes", sep=" ")
    code, _, err = here("run", file, "--runs-dir", tmp_path / "runs", "--finish-by", end)
    assert code == 2
    assert not of(tmp_path / "runs" / "surrogate", "claude_awaited")
    assert "Claude cannot be reached" in err


def test_a_person_stops_a_night_that_waits_and_status_says_that_it_does(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    file = write_campaign(tmp_path / "c.yaml", claude={"patience_minutes": 0.001})
    url = serve(limited(datetime.now(UTC) + timedelta(hours=5))).url
    command = [*COMMAND, "run", str(file), "--runs-dir", str(tmp_path / "runs")]
    driver = subprocess.Popen(command, env=ENVIRONMENT | {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "k"},
                              cwd=ROOT, stderr=subprocess.PIPE, text=True)  # fmt: skip
    root, end = tmp_path / "runs" / "surrogate", time.monotonic() + 90
    while time.monotonic() < end and not ((root / "journal.jsonl").exists() and of(root, "claude_awaited")):
        time.sleep(0.1)
    assert "waiting for Claude until" in status_of(root)["state"]
    assert here("stop", root)[0] == 0
    _, err = driver.communicate(timeout=60)
    assert driver.returncode == 2
    assert "Claude cannot be reached" in err
    assert of(root, "driver_stopped")


def test_ctrl_c_ends_the_waiting_at_once(serve: Callable[..., Server], tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml", claude={"patience_minutes": 0.001})
    url = serve(limited(datetime.now(UTC) + timedelta(hours=5))).url
    command = [*COMMAND, "run", str(file), "--runs-dir", str(tmp_path / "runs")]
    driver = subprocess.Popen(command, env=ENVIRONMENT | {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "k"},
                              cwd=ROOT, stderr=subprocess.DEVNULL)  # fmt: skip
    root, end = tmp_path / "runs" / "surrogate", time.monotonic() + 90
    while time.monotonic() < end and not ((root / "journal.jsonl").exists() and of(root, "claude_awaited")):
        time.sleep(0.1)
    os.kill(driver.pid, signal.SIGINT)
    assert driver.wait(60) == 130
