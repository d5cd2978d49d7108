"""A Claude that answers and is never of use: the night stops, and everybody is told, whatever it is that comes back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.replay.whole_run import replay_run
from state.journal import read_records
from tests.agent.claude.fake_anthropic import SECRET, Server, stream
from tests.agent.conftest import play, write_campaign
from tests.agent.test_cli import here, nightfly

USELESS = {
    "refusal": ("I cannot help with that.", "refusal"),
    "cut": ('{"slot_0": {"proposal": {"role": "base', "max_tokens"),
    "context": ('{"slot_0":', "model_context_window_exceeded"),
    "empty": ("", "end_turn"),
    "no JSON": ("I would rather talk about the weather.", "end_turn"),
}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Server]:
    """Starts a server that every real client of this test will ask."""

    def serve(text: str, stop: str) -> Server:
        server = Server(stream(text, stop))
        monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        return server

    return serve


def campaign(tmp_path: Path) -> Path:
    """At most two batches in a row without an accepted reply; each alarm is a line of a file."""
    write = f"import sys; open({str(tmp_path / 'alarms')!r}, 'a').write(sys.stdin.read() + chr(10))"
    notify = {"command": [sys.executable, "-c", write]}
    claude = {"max_fallback_batches": 2, "repair_turns": 0}
    return write_campaign(tmp_path / "c.yaml", notify=notify, claude=claude)


@pytest.mark.parametrize("kind", USELESS)
def test_a_night_of_useless_replies_stops_and_everybody_is_told(
    kind: str, api: Callable[..., Server], tmp_path: Path
) -> None:
    api(*USELESS[kind])
    file, runs = campaign(tmp_path), tmp_path / "runs"
    code, _, err = here("run", file, "--runs-dir", runs)
    root = runs / "surrogate"
    assert code == 2
    assert err.count("Claude gave no usable reply about batch") == 3, err
    assert err.splitlines()[-1].startswith("nightfly: 3 conversations in a row brought no proposal that was accepted")
    assert f"Continue with: nightfly run {root}" in err

    records = list(read_records(root / "journal.jsonl"))
    assert [r.batch for r in records if r.type == "batch_planned"] == [1, 2]
    assert records[-1].type == "driver_stopped"
    alarms = [json.loads(line)["event"] for line in (tmp_path / "alarms").read_text().splitlines()]
    assert sorted(alarms) == ["claude_unreachable"] * 3 + ["stopped"]
    assert "nothing of the last 3 conversations with Claude was accepted" in here("status", root)[1]
    first = json.loads(here("report", root, "--json")[1])["lines"][0]
    assert first["text"].startswith("In 3 of 3 conversations Claude gave no reply that was accepted")
    assert replay_run(root).passed


def asked(server: Server) -> int:
    """How often a reply was wanted; the preflight wants one token."""
    wanted = [r for r in server.requests if r["path"].partition("?")[0] == "/v1/messages"]
    return sum(request["body"]["max_tokens"] > 1 for request in wanted)


def test_the_stopped_night_goes_on_and_stops_at_the_next_useless_reply(
    api: Callable[..., Server], tmp_path: Path
) -> None:
    server = api(*USELESS["refusal"])
    file, runs = campaign(tmp_path), tmp_path / "runs"
    here("run", file, "--runs-dir", runs)
    paid = asked(server)
    code, _, err = here("run", runs / "surrogate")
    assert code == 2
    assert "4 conversations in a row" in err
    assert asked(server) - paid == 2, "one conversation: the prompt and, after a refusal, the prompt once more"


def test_one_slot_that_was_accepted_ends_the_count(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml", claude={"max_fallback_batches": 0})
    assert play(file, tmp_path / "r", 3).history.useless == 0


def test_a_night_that_ends_useless_is_seen_from_another_process(api: Callable[..., Server], tmp_path: Path) -> None:
    api(*USELESS["empty"])
    done = nightfly("run", campaign(tmp_path), "--runs-dir", tmp_path / "runs")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
