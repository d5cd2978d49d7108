"""ClaudeClient against a real HTTP server on loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent.claude import KEY, ClaudeClient
from agent.context import build_context
from agent.llm import Completion, LLMUnavailable, Prompt, Turn
from agent.mock import MockLLM, answer
from agent.reply import reply_schema
from state.campaign import ClaudeConfig
from state.errors import UserError
from tests.agent.conftest import play, write_campaign

SECRET = "sk-ant-test-0123456789"


def events(text: str, stop: str | None = "end_turn") -> bytes:
    """A streamed message of the API, with ``stop`` None cut before its end."""
    usage = {"input_tokens": 12, "output_tokens": 1, "cache_read_input_tokens": 900}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test", "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": usage}  # fmt: skip
    parts: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
    ]
    if stop is not None:
        parts += [
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": stop, "stop_sequence": None},
                "usage": {"output_tokens": 34},
            },
            {"type": "message_stop"},
        ]
    return b"".join(f"event: {part['type']}\ndata: {json.dumps(part)}\n\n".encode() for part in parts)


Answer = Callable[[BaseHTTPRequestHandler], None]


def stream(text: str, stop: str | None = "end_turn") -> Answer:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("request-id", "req_ok")
        handler.end_headers()
        handler.wfile.write(events(text, stop))

    return send


def refuse(status: int, kind: str, code: str | None = None, **headers: str) -> Answer:
    def send(handler: BaseHTTPRequestHandler) -> None:
        error = {"type": kind, "message": f"no {SECRET}", "details": {"error_code": code}}
        body = json.dumps({"type": "error", "error": error}).encode()
        handler.send_response(status)
        for name, value in {"content-type": "application/json", "request-id": "req_no", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return send


def hang(handler: BaseHTTPRequestHandler) -> None:
    """Pings, and nothing else, for longer than any deadline of these tests."""
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.end_headers()
    for _ in range(60):
        handler.wfile.write(b'event: ping\ndata: {"type": "ping"}\n\n')
        handler.wfile.flush()
        time.sleep(0.1)


class Server:
    """Answers in the given order, the last one for ever; keeps what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.requests = list(answers), list[dict[str, Any]]()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                server.requests.append({"path": self.path, "body": json.loads(body), "headers": dict(self.headers)})
                respond = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                try:
                    respond(self)
                except (BrokenPipeError, ConnectionResetError):
                    return

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started: list[Server] = []

    def start(*answers: Answer) -> Server:
        started.append(Server(*answers))
        return started[-1]

    yield start
    for server in started:
        server.http.shutdown()
        server.http.server_close()


@pytest.fixture
def prompt(tmp_path: Path) -> Prompt:
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "prompt", 1)
    return Prompt("be good", "results", build_context(night), (), (("slot_0/activity.png", b"\x89PNG"),))


def ask(server: Server, prompt: Prompt, tries: int = 4, **config: Any) -> Completion:
    client = ClaudeClient(ClaudeConfig(**config), base_url=server.url, tries=tries, longest_wait_s=0.05)
    return client.complete(prompt, reply_schema(4, False))


def test_a_reply_comes_back_with_what_it_used(serve: Callable[..., Server], prompt: Prompt) -> None:
    server = serve(stream('{"a": 1}'))
    got = ask(server, prompt)
    assert (got.text, got.stop_reason, got.request_id, got.model) == ('{"a": 1}', "end_turn", "req_ok", "claude-test")
    assert got.usage["cache_read_input_tokens"] == 900
    assert got.usage["output_tokens"] == 34
    body = server.requests[0]["body"]
    assert body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert body["output_config"]["format"]["type"] == "json_schema"
    kinds = [block["type"] for block in body["messages"][0]["content"]]
    assert kinds == ["text", "image", "text"]


def test_a_repair_turn_keeps_the_conversation(serve: Callable[..., Server], prompt: Prompt) -> None:
    server = serve(stream("{}"))
    repair = Prompt(
        "be good", "mend it", prompt.context, (Turn("user", "results"), Turn("assistant", "nonsense")), prompt.images
    )
    ask(server, repair)
    messages = server.requests[0]["body"]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert [block["type"] for block in messages[0]["content"]] == ["text", "image", "text"]


@pytest.mark.parametrize(
    "trouble",
    [
        refuse(529, "overloaded_error"),
        refuse(500, "api_error"),
        refuse(429, "rate_limit_error", retry_after="86400"),
        stream("half", stop=None),
    ],
    ids=["529", "500", "429 with a day to wait", "early end"],
)
def test_passing_trouble_is_waited_out(trouble: Answer, serve: Callable[..., Server], prompt: Prompt) -> None:
    server = serve(trouble, trouble, stream("{}"))
    got = ask(server, prompt)
    if got.stop_reason is None:
        assert len(server.requests) == 1, "an early end is a reply that was cut, and goes the way of a bad reply"
    else:
        assert (got.text, len(server.requests)) == ("{}", 3)


@pytest.mark.parametrize(
    ("trouble", "says", "requests"),
    [
        (refuse(401, "authentication_error"), "refused the key", 1),
        (refuse(403, "permission_error"), "refused the key", 1),
        (refuse(402, "billing_error"), "no credit", 1),
        (refuse(404, "not_found_error"), "not known to Anthropic", 1),
        (refuse(400, "invalid_request_error"), "cannot take the request", 1),
        (refuse(429, "rate_limit_error", "enforced_spend_limit_reached"), "spend limit", 1),
        (refuse(529, "overloaded_error"), "cannot be reached", 3),
    ],
)
def test_lasting_trouble_is_one_sentence_without_the_key(
    trouble: Answer, says: str, requests: int, serve: Callable[..., Server], prompt: Prompt
) -> None:
    server = serve(trouble)
    with pytest.raises(LLMUnavailable, match=says) as caught:
        ask(server, prompt, tries=3)
    assert SECRET not in str(caught.value)
    assert len(server.requests) == requests


def test_pings_for_ever_end_at_the_deadline(serve: Callable[..., Server], prompt: Prompt) -> None:
    began = time.monotonic()
    with pytest.raises(LLMUnavailable, match=r"deadline_s = 0\.5"):
        ask(serve(hang), prompt, tries=1, deadline_s=0.5)
    assert time.monotonic() - began < 5


def test_no_key_is_told_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(UserError, match="ANTHROPIC_API_KEY is not set"):
        ClaudeClient(ClaudeConfig())


class Scripted:
    """Has the real client ask a server whose reply is what the mock would say to the same prompt."""

    def __init__(self, serve: Callable[..., Server]) -> None:
        self.serve = serve

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        server = self.serve(stream(json.dumps(answer(prompt.context))))
        client = ClaudeClient(ClaudeConfig(), base_url=server.url, tries=1)
        return client.complete(prompt, schema)


def test_a_night_through_the_real_client_equals_the_mocks_and_never_writes_the_key(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    play(file, tmp_path / "real", 2, Scripted(serve))
    play(file, tmp_path / "mock", 2, MockLLM())
    assert (tmp_path / "real" / "analysis.md").read_bytes() == (tmp_path / "mock" / "analysis.md").read_bytes()
    written = b"".join(path.read_bytes() for path in (tmp_path / "real").rglob("*") if path.is_file())
    assert SECRET.encode() not in written
    assert b"req_ok" in written
