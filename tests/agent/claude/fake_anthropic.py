"""A server on loopback that speaks the Anthropic API as scripted: replies, refusals, hangs, drops, cut streams."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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


def send(handler: BaseHTTPRequestHandler, status: int, kind: str, content: bytes, **headers: str) -> None:
    """One whole answer of this content type; ``_`` in the name of a header is a hyphen."""
    handler.send_response(status)
    for name, value in {"content-type": kind, **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def send_json(handler: BaseHTTPRequestHandler, status: int, value: object, **headers: str) -> None:
    """One whole answer in JSON."""
    send(handler, status, "application/json", json.dumps(value).encode(), **headers)


def stream(text: str, stop: str | None = "end_turn") -> Answer:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("request-id", "req_ok")
        handler.end_headers()
        handler.wfile.write(events(text, stop))

    return respond


def refuse(status: int, kind: str, code: str | None = None, **headers: str) -> Answer:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        error = {"type": kind, "message": f"no {SECRET}", "details": {"error_code": code}}
        send_json(handler, status, {"type": "error", "error": error}, **{"request-id": "req_no", **headers})

    return respond


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
        self.model: dict[str, Any] | Answer = {
            "type": "model", "id": "claude-opus-5-5", "display_name": "x", "created_at": "2026-01-01T00:00:00Z",
            "max_tokens": 64_000, "max_input_tokens": 1_000_000, "capabilities": None, "lifecycle": "active",
        }  # fmt: skip
        self.counted: dict[str, Any] | Answer = {"input_tokens": 4321}
        # The preflight's request for one token, apart from the script.
        self.probe: Answer = stream("{", "max_tokens")
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                server.requests.append({"path": self.path, "body": json.loads(body), "headers": dict(self.headers)})
                if self.path.startswith("/v1/messages/count_tokens"):
                    self._json(server.counted)
                    return
                if server.requests[-1]["body"].get("max_tokens") == 1:
                    server.probe(self)
                    return
                respond = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                try:
                    respond(self)
                except (BrokenPipeError, ConnectionResetError):
                    return

            def do_GET(self) -> None:
                server.requests.append({"path": self.path, "headers": dict(self.headers)})
                self._json(server.model)

            def _json(self, answer: dict[str, Any] | Answer) -> None:
                if callable(answer):
                    answer(self)
                    return
                send_json(self, 200, answer)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def drop(handler: BaseHTTPRequestHandler) -> None:
    """Break the connection in the middle of a stream."""
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    part = events("half a reply", None)
    handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
    handler.wfile.flush()
    handler.connection.shutdown(2)


def fail_midway(kind: str) -> Answer:
    """An error event after the first words."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.end_headers()
        error = {"type": "error", "error": {"type": kind, "message": f"no {SECRET}"}}
        handler.wfile.write(events("half", None) + f"event: error\ndata: {json.dumps(error)}\n\n".encode())

    return respond


def silent(handler: BaseHTTPRequestHandler) -> None:
    """Not a byte for longer than any deadline of these tests."""
    time.sleep(3)
