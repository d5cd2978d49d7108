"""Another model, and the other ways to the models, over real sockets on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from agent.claude.client import ClaudeClient
from agent.claude.protocol import LLMUnavailable, Prompt
from agent.guard.reply import Asked, reply_schema
from state.claude import ClaudeConfig
from state.journal import read_records
from tests.agent.claude.fake_anthropic import Answer, Server, events, refuse, send_json, stream
from tests.agent.claude.test_client import serve
from tests.agent.conftest import play, write_campaign

__all__ = ["serve"]
FIRST, SECOND = "claude-first", "claude-second"
PROMPT = Prompt("s", "t", None)  # type: ignore[arg-type]


class ByModel:
    """Answers each model in its own way; `models.retrieve` of a model that is gone says 404."""

    def __init__(self, serve: Callable[..., Server], first: Answer, second: Answer, gone: str = "") -> None:
        self.server, self.answers = serve(self.respond), {FIRST: first, SECOND: second}
        model = self.server.model

        def retrieve(handler: BaseHTTPRequestHandler) -> None:
            if gone and gone in handler.path:
                refuse(404, "not_found_error")(handler)
                return
            send_json(handler, 200, model)

        self.server.model = retrieve

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        self.answers[self.server.requests[-1]["body"]["model"]](handler)

    def asked(self) -> list[str]:
        return [r["body"]["model"] for r in self.server.requests if r["path"] == "/v1/messages"]

    def client(self, **config: Any) -> ClaudeClient:
        both = ClaudeConfig(model=FIRST, fallback_model=SECOND, **config)
        return ClaudeClient(both, base_url=self.server.url, tries=2, longest_wait_s=0.05)


@pytest.mark.parametrize(
    ("first", "outcomes"),
    [
        (refuse(404, "not_found_error"), ["not_found_error", "ok"]),
        (refuse(529, "overloaded_error"), ["overloaded_error", "overloaded_error", "ok"]),
    ],
    ids=["retired", "overloaded"],
)
def test_another_model_takes_what_the_first_cannot(
    first: Answer, outcomes: list[str], serve: Callable[..., Server]
) -> None:
    got = ByModel(serve, first, stream("{}")).client().complete(PROMPT, reply_schema(Asked(4, False)))
    assert [one.outcome for one in got.tries] == outcomes
    assert [one.model for one in got.tries] == [FIRST] * (len(outcomes) - 1) + [SECOND]


def test_a_model_that_is_gone_is_not_asked_again(serve: Callable[..., Server]) -> None:
    both = ByModel(serve, refuse(404, "not_found_error"), stream("{}"), gone=FIRST)
    client = both.client()
    assert client.preflight("s", "t", {"type": "object"}).model == SECOND
    client.complete(PROMPT, reply_schema(Asked(4, False)))
    assert FIRST not in both.asked()


def test_a_model_that_is_called_retired_gives_way_in_the_preflight(serve: Callable[..., Server]) -> None:
    both = ByModel(serve, stream("{}"), stream("{}"))
    known = {"type": "model", "display_name": "x", "created_at": "2026-01-01T00:00:00Z"}

    def retrieve(handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.rpartition("/")[2].partition("?")[0]
        said = known | {"id": name, "lifecycle": "retired" if name == FIRST else "active"}
        send_json(handler, 200, said)

    both.server.model = retrieve
    facts = both.client().preflight("s", "t", {"type": "object"})
    assert (facts.model, facts.lifecycle) == (SECOND, "active")


@pytest.mark.parametrize("trouble", [refuse(401, "authentication_error"), refuse(400, "invalid_request_error")])
def test_what_no_model_can_mend_is_no_reason_for_another(trouble: Answer, serve: Callable[..., Server]) -> None:
    both = ByModel(serve, trouble, stream("{}"))
    with pytest.raises(LLMUnavailable):
        both.client().complete(PROMPT, reply_schema(Asked(4, False)))
    assert both.asked() == [FIRST]


def test_both_overloaded_is_one_sentence(serve: Callable[..., Server]) -> None:
    away = refuse(529, "overloaded_error")
    both = ByModel(serve, away, away)
    with pytest.raises(LLMUnavailable, match="cannot be reached") as caught:
        both.client().complete(PROMPT, reply_schema(Asked(4, False)))
    assert not caught.value.fatal
    assert both.asked() == [FIRST, FIRST, SECOND, SECOND]


def test_refused_twice_goes_to_the_other_model_and_both_are_paid_and_journaled(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    file = write_campaign(tmp_path / "c.yaml", claude={"max_fallback_batches": 0})
    play(file, tmp_path / "mock", 1)
    replies = [r.data for r in read_records(tmp_path / "mock" / "journal.jsonl") if r.type == "reply_received"]
    good = [(tmp_path / "mock" / "blobs" / reply["reply"]).read_text() for reply in replies]

    def second(handler: BaseHTTPRequestHandler) -> None:
        stream(good.pop(0))(handler)

    both = ByModel(serve, stream("I cannot help with that.", "refusal"), second)
    night = play(file, tmp_path / "r", 1, both.client())
    assert both.asked() == [FIRST, FIRST, SECOND] * 2
    received = [r.data for r in read_records(tmp_path / "r" / "journal.jsonl") if r.type == "reply_received"]
    assert [one["stop_reason"] for one in received] == ["refusal", "end_turn"] * 2
    assert [(one["outcome"], one["model"]) for one in received[1]["tries"]] == [("refusal", FIRST), ("ok", SECOND)]
    assert night.history.useless == 0
    each = 12 + 900 + 34
    assert night.spending.tokens == 6 * each, "the refused requests were paid for as well"


def test_vertex_with_its_own_login_and_address(
    serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("google.auth")
    server = serve(stream('{"via": "vertex"}'))
    login = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
    key = tmp_path / "login.json"
    key.write_text(json.dumps(login))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.setenv("CLOUD_ML_REGION", "europe-west1")
    monkeypatch.setenv("ANTHROPIC_VERTEX_PROJECT_ID", "fly")
    from google.oauth2 import credentials

    def refresh(self: Any, request: object) -> None:
        # The address of Google's login is no option of the library.
        self.token, self.expiry = "ya29.token", None

    monkeypatch.setattr(credentials.Credentials, "refresh", refresh)
    client = ClaudeClient(ClaudeConfig(via="vertex", model=FIRST), base_url=server.url, tries=1)
    assert client.complete(PROMPT, reply_schema(Asked(4, False))).text == '{"via": "vertex"}'
    asked = server.requests[-1]
    assert asked["path"].endswith(
        f"/projects/fly/locations/europe-west1/publishers/anthropic/models/{FIRST}:streamRawPredict"
    )
    assert asked["headers"]["Authorization"] == "Bearer ya29.token"
    assert asked["body"]["anthropic_version"]


def frame(event: dict[str, Any]) -> bytes:
    """One message of Amazon's event stream: lengths, a header, the event in base64, two checksums."""
    import base64
    import binascii
    import struct

    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()
    headers = b""
    for name, value in ((":event-type", "chunk"), (":content-type", "application/json"), (":message-type", "event")):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", 12 + len(headers) + len(payload) + 4, len(headers))
    start = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + payload
    return start + struct.pack(">I", binascii.crc32(start))


def test_bedrock_with_its_own_login_address_and_stream(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("botocore")

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "application/vnd.amazon.eventstream")
        handler.end_headers()
        for line in events('{"via": "bedrock"}').decode().splitlines():
            if line.startswith("data: "):
                handler.wfile.write(frame(json.loads(line.removeprefix("data: "))))

    server = serve(respond)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-key")
    client = ClaudeClient(ClaudeConfig(via="bedrock", model=FIRST), base_url=server.url, tries=1)
    assert client.preflight("s" * 35, "", {"type": "object"}).prompt_tokens == 10
    assert client.complete(PROMPT, reply_schema(Asked(4, False))).text == '{"via": "bedrock"}'
    asked = server.requests[-1]
    assert asked["path"] == f"/model/{FIRST}/invoke-with-response-stream"
    assert asked["headers"]["Authorization"] == "Bearer bedrock-key"


def test_a_token_does_where_there_is_no_key(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(stream("{}"))
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "a-token")
    ClaudeClient(ClaudeConfig(), base_url=server.url, tries=1).complete(PROMPT, reply_schema(Asked(4, False)))
    assert server.requests[-1]["headers"]["Authorization"] == "Bearer a-token"
