"""Messages for people: the right events, over a real webhook and a real command, and never at the night's expense."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM
from agent.night.loop import run_night
from agent.night.night import open_night
from agent.people.alarms import Alarms, Notifier, check_notify
from state.errors import ConfigError
from state.evening import Budget, Notify
from tests.agent.conftest import write_campaign
from trainer.engines.inline import InlineEngine

SECRET = "https-secret-token"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    """A webhook on loopback and what it has heard; its address stands in the environment."""
    heard: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{server.server_port}/{SECRET}")
    yield heard
    server.shutdown()
    server.server_close()


def play(tmp_path: Path, notify: Notify, batches: int, **changes: Any) -> list[str]:
    """A surrogate night with alarms; returns what the display was told."""
    said: list[str] = []
    night = open_night(write_campaign(tmp_path / "c.yaml", **changes), tmp_path / "r", dry_run=True)
    try:
        notifier = Notifier(notify, "surrogate", said.append)
        night.observers.append(Alarms(night, notifier))
        run_night(
            night, MockLLM(), InlineEngine(night.campaign.surrogate), lambda *_: None, Budget(max_batches=batches)
        )
        notifier.wait()
    finally:
        night.close()
    return said


RIDGE = {"surface": "ridge", "effect": 0.2, "failure_share": 0.0}


def test_the_webhook_hears_of_a_confirmed_best_and_of_the_end(tmp_path: Path, hook: list[dict[str, str]]) -> None:
    assert play(tmp_path, Notify(webhook_env="HOOK"), 20, surrogate=RIDGE) == []
    events = [message["event"] for message in hook]
    assert "new_best" in events
    assert events.count("finished") == 1
    best = next(message["text"] for message in hook if message["event"] == "new_best")
    assert "new best confirmed: " in best
    assert "confirmed better by " in best
    assert "V_rest_R2 +0." in best
    assert all(set(message) == {"campaign", "event", "text"} for message in hook)


def test_nobody_is_woken_for_a_config_that_merely_leads(tmp_path: Path, hook: list[dict[str, str]]) -> None:
    play(tmp_path, Notify(webhook_env="HOOK"), 7, surrogate=RIDGE)
    night = open_night(tmp_path / "c.yaml", tmp_path / "r", dry_run=True)
    night.close()
    best = max(night.views.table.names(), key=lambda name: night.views.table[name].score)
    assert best != "C1"
    assert "new_best" not in [message["event"] for message in hook]


def test_only_the_events_asked_for_are_sent(tmp_path: Path, hook: list[dict[str, str]]) -> None:
    play(tmp_path, Notify(webhook_env="HOOK", events=["finished"]), 6)
    assert [message["event"] for message in hook] == ["finished"]


def test_the_command_gets_the_message_on_stdin_and_in_the_environment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = f"import os,sys;open({str(out)!r},'a').write(sys.stdin.read()+'|'+os.environ['NIGHTFLY_EVENT']+'\\n')"
    play(tmp_path, Notify(command=[sys.executable, "-c", script], events=["finished"]), 2)
    message, event = out.read_text().strip().rsplit("|", 1)
    assert event == "finished"
    assert "2 batches are committed" in json.loads(message)["text"]


def test_a_failing_notifier_is_said_once_without_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:9/{SECRET}")
    said = play(tmp_path, Notify(webhook_env="HOOK", command=["/no/such/program"], timeout_s=2), 8)
    assert len(said) == 2, said
    assert all("the night goes on" in line and SECRET not in line for line in said)


def test_a_webhook_without_an_address_is_refused_before_the_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    with pytest.raises(ConfigError, match=r"notify\.webhook_env: the environment variable HOOK"):
        check_notify(Notify(webhook_env="HOOK"))
    monkeypatch.setenv("HOOK", "file:///etc/passwd")
    with pytest.raises(ConfigError, match="no web address"):
        check_notify(Notify(webhook_env="HOOK"))


@pytest.mark.parametrize(
    "slip",
    [
        "http://127.0.0.1:80 80/{secret}",
        "http://127.0.0.1:eighty/{secret}",
        "http://127.0.0.1:99999/{secret}",
        "http:///{secret}",
        "https://{secret}\n",
        "http://[::1/{secret}",
    ],
)
def test_a_slip_in_the_address_is_one_sentence_without_it(slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", slip.format(secret=SECRET))
    with pytest.raises(ConfigError, match="HOOK holds no web address") as caught:
        check_notify(Notify(webhook_env="HOOK"))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_webhook_that_answers_garbage_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    garbage = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                connection, _ = garbage.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(b"\x00\xff what is it\r\n\r\n")

    threading.Thread(target=answer, daemon=True).start()
    died: list[object] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{garbage.getsockname()[1]}/{SECRET}")
    said: list[str] = []
    notifier = Notifier(Notify(webhook_env="HOOK", timeout_s=5), "c", said.append)
    for _ in range(3):
        notifier.send("finished", "x")
    notifier.wait()
    garbage.close()
    assert not died
    assert len(said) == 1, said
    assert SECRET not in said[0]
