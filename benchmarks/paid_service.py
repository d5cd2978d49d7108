"""A service on loopback that speaks the API, answers as the mock would, and keeps the books: what was paid, and when.

A reply counts as paid when its last byte has been sent. It is written slowly, so that kills hit requests that are out.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from agent.briefing.context import build_context
from agent.claude.mock import answer
from agent.ledger.open_run import open_run
from state.files import canonical_json, sha256

PIECES = 5
PIECE_S = 0.02
# Between the last byte on the wire and the reply on the disk a kill must still be allowed to come.
GRACE_S = 0.25
MODEL = {
    "type": "model",
    "id": "claude-opus-5-5",
    "display_name": "x",
    "created_at": "2026-01-01T00:00:00Z",
    "max_tokens": 64_000,
    "max_input_tokens": 1_000_000,
    "capabilities": None,
    "lifecycle": "active",
}


@dataclass
class Payment:
    """One request: the digest of its prompt, when it came, and when the last byte of its reply was sent (or never)."""

    prompt: str
    began: float
    sent: float | None = None


class PaidService:
    """Answers about the run in ``root``, which may change between two drivers."""

    def __init__(self) -> None:
        self.root = Path()
        self.payments: list[Payment] = []
        self.kills: list[float] = []
        self._http = Service(("127.0.0.1", 0), handler_of(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def books(self) -> dict[str, Any]:
        """Requests, replies paid, and prompts that were paid twice although no kill came between wire and disk."""
        again: dict[str, list[Payment]] = {}
        for payment in self.payments:
            again.setdefault(payment.prompt, []).append(payment)
        out, twice = 0, []
        for prompt, paid in again.items():
            for payment in paid[:-1]:
                end = payment.sent if payment.sent is not None else float("inf")
                if any(payment.began <= kill <= end + GRACE_S for kill in self.kills):
                    out += 1
                else:
                    twice.append(f"the reply to {prompt[:12]} had come {self._since(end):.2f} s before a kill")
        whole = sum(payment.sent is not None for payment in self.payments)
        return {"requests": len(self.payments), "paid": whole, "killed_while_out": out, "paid_twice": twice}

    def _since(self, moment: float) -> float:
        return min((kill - moment for kill in self.kills if kill >= moment), default=float("nan"))

    def close(self) -> None:
        """Stop serving."""
        self._http.shutdown()
        self._http.server_close()


class Service(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is what this is for."""


def handler_of(service: PaidService) -> type[BaseHTTPRequestHandler]:
    """What speaks for ``service`` on a connection."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path.startswith("/v1/messages/count_tokens"):
                self._json({"input_tokens": 1000})
            elif body["max_tokens"] == 1:
                self._stream("{", PIECE_S / PIECES)
            else:
                payment = Payment(sha256(canonical_json([str(service.root), body]).encode()), time.monotonic())
                service.payments.append(payment)
                ledger = open_run(service.root).ledger()
                self._stream(json.dumps(answer(build_context(ledger))), PIECE_S)
                payment.sent = time.monotonic()

        def do_GET(self) -> None:
            self._json(MODEL)

        def _json(self, value: dict[str, Any]) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, text: str, pause_s: float) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            data = events(text)
            size = len(data) // PIECES + 1
            for start in range(0, len(data), size):
                time.sleep(pause_s)
                self.wfile.write(data[start : start + size])

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


def events(text: str) -> bytes:
    """A streamed message of the API."""
    usage = {"input_tokens": 12, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    parts: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    return b"".join(f"event: {part['type']}\ndata: {json.dumps(part)}\n\n".encode() for part in parts)
