"""What stands between here and the service, over real sockets: whatever comes back, it is trouble that may pass."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from agent.claude.client import ClaudeClient
from agent.claude.protocol import LLMUnavailable, Prompt
from agent.guard.reply import Asked, reply_schema
from agent.replay.whole_run import replay_run
from state.claude import ClaudeConfig
from state.journal import read_records
from tests.agent.claude.fake_anthropic import SECRET, Answer, Server, refuse, send, stream
from tests.agent.claude.test_client import serve
from tests.agent.conftest import write_campaign
from tests.agent.test_cli import here

__all__ = ["serve"]
PAGE = b"<html><body>Log in to the campus network</body></html>"


def body(status: int, kind: str, content: bytes, **headers: str) -> Answer:
    return lambda handler: send(handler, status, kind, content, **headers)


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Promises more than it sends."""
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.send_header("content-length", "5000")
    handler.end_headers()
    handler.wfile.write(b"event: message_start\n")
    handler.close_connection = True


BETWEEN = {
    "empty": body(200, "text/event-stream", b""),
    "nothing at all": body(200, "text/plain", b""),
    "a page": body(200, "text/html", PAGE),
    "a page as a stream": body(200, "text/event-stream", PAGE),
    "JSON": body(200, "application/json", b'{"ok": true}'),
    "half JSON": body(200, "text/event-stream", b'event: message_start\ndata: {"type": "message_st\n\n'),
    "no start": body(200, "text/event-stream", b'event: message_stop\ndata: {"type": "message_stop"}\n\n'),
    "another start": body(200, "text/event-stream", b'event: message_start\ndata: {"type": "message_start"}\n\n'),
    "a list": body(200, "text/event-stream", b"event: message_start\ndata: [1]\n\n"),
    "no gzip": body(200, "text/event-stream", PAGE, content_encoding="gzip"),
    "gzip of a page": body(200, "text/html", gzip.compress(PAGE), content_encoding="gzip"),
    "403 page": body(403, "text/html", PAGE),
    "404 page": body(404, "text/html", PAGE),
    "407 page": body(407, "text/html", PAGE),
    "502 empty": body(502, "text/html", b""),
    "redirect to itself": body(302, "text/html", b"", location="/v1/messages"),
    "cut": cut,
}


@pytest.mark.parametrize("kind", BETWEEN)
def test_whatever_a_proxy_answers_is_asked_again(kind: str, serve: Callable[..., Server]) -> None:
    server = serve(BETWEEN[kind], BETWEEN[kind], stream("{}"))
    prompt = Prompt("s", "t", None)  # type: ignore[arg-type]
    client = ClaudeClient(ClaudeConfig(), base_url=server.url, tries=3, longest_wait_s=0.05)
    got = client.complete(prompt, reply_schema(Asked(4, False)))
    assert got.text == "{}"
    assert [one.outcome == "ok" for one in got.tries] == [False, False, True]


@pytest.mark.parametrize("kind", ["empty", "a page", "JSON", "404 page"])
def test_a_preflight_through_such_a_proxy_is_one_sentence(kind: str, serve: Callable[..., Server]) -> None:
    server = serve(stream("{}"))
    server.model = server.counted = BETWEEN[kind]
    with pytest.raises(LLMUnavailable, match="Claude cannot be reached"):
        ClaudeClient(ClaudeConfig(), base_url=server.url).preflight("s", "t", {"type": "object"})


@pytest.mark.parametrize("kind", ["empty", "a page", "JSON", "half JSON"])
def test_a_night_behind_such_a_proxy_goes_on_stops_whole_and_tells(
    kind: str, serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    assert here("run", file, "--dry-run", "--runs-dir", tmp_path / "mock", "--batches", "1")[0] == 0
    records = list(read_records(tmp_path / "mock" / "surrogate" / "journal.jsonl"))
    first = next(r.data["reply"] for r in records if r.type == "reply_received")
    good = (tmp_path / "mock" / "surrogate" / "blobs" / first).read_text()
    server = serve(stream(good), BETWEEN[kind])
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    write = f"import sys; open({str(tmp_path / 'alarms')!r}, 'a').write(sys.stdin.read() + chr(10))"
    claude = {"max_fallback_batches": 1, "patience_minutes": 1e-6}
    write_campaign(file, claude=claude, notify={"command": [sys.executable, "-c", write]})
    code, _, err = here("run", file, "--runs-dir", tmp_path / "runs")
    root = tmp_path / "runs" / "surrogate"
    assert code == 2
    assert err.splitlines()[-1].startswith("nightfly: Claude cannot be reached")
    records = list(read_records(root / "journal.jsonl"))
    assert records[-1].type == "driver_stopped"
    assert [r.batch for r in records if r.type == "batch_planned"] == [1, 2]
    events = [json.loads(line)["event"] for line in (tmp_path / "alarms").read_text().splitlines()]
    assert sorted(events) == ["claude_unreachable", "stopped"]
    assert replay_run(root).passed


def test_an_error_of_the_service_itself_is_still_its_own(serve: Callable[..., Server]) -> None:
    prompt = Prompt("s", "t", None)  # type: ignore[arg-type]
    client = ClaudeClient(ClaudeConfig(), base_url=serve(refuse(403, "permission_error")).url, tries=3)
    with pytest.raises(LLMUnavailable, match=r"Anthropic .*refused the key in ANTHROPIC_API_KEY") as caught:
        client.complete(prompt, reply_schema(Asked(4, False)))
    assert caught.value.fatal
    assert SECRET not in str(caught.value)
