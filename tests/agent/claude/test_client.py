"""ClaudeClient against a real HTTP server on loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.briefing.context import build_context
from agent.claude.client import ClaudeClient
from agent.claude.mock import MockLLM, answer
from agent.claude.prices import price
from agent.claude.protocol import Completion, LLMUnavailable, Prompt, Turn
from agent.guard.reply import Asked, reply_schema
from state.claude import ClaudeConfig
from state.errors import UserError
from tests.agent.claude.fake_anthropic import (
    SECRET,
    Answer,
    Server,
    drop,
    fail_midway,
    hang,
    refuse,
    silent,
    stream,
)
from tests.agent.conftest import play, write_campaign

KEY = "ANTHROPIC_API_KEY"


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
    return client.complete(prompt, reply_schema(Asked(4, False)))


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
        refuse(429, "rate_limit_error", retry_after="0"),
        stream("half", stop=None),
        drop,
        fail_midway("overloaded_error"),
    ],
    ids=["529", "500", "429", "early end", "drop in mid-stream", "error in mid-stream"],
)
def test_passing_trouble_is_waited_out(trouble: Answer, serve: Callable[..., Server], prompt: Prompt) -> None:
    server = serve(trouble, trouble, stream("{}"))
    got = ask(server, prompt)
    if got.stop_reason is None:
        assert len(server.requests) == 1, "an early end is a reply that was cut, and goes the way of a bad reply"
    else:
        assert (got.text, len(server.requests)) == ("{}", 3)
        assert [one.outcome == "ok" for one in got.tries] == [False, False, True]
        assert all(SECRET not in one.outcome for one in got.tries)


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


@pytest.mark.parametrize("trouble", [hang, silent], ids=["pings for ever", "silence"])
def test_what_never_ends_is_ended_at_the_deadline(
    trouble: Answer, serve: Callable[..., Server], prompt: Prompt
) -> None:
    began = time.monotonic()
    with pytest.raises(LLMUnavailable, match=r"deadline_s = 0\.5") as caught:
        ask(serve(trouble), prompt, tries=2, deadline_s=0.5)
    assert time.monotonic() - began < 5
    assert not caught.value.fatal
    assert [one.outcome for one in caught.value.tries] == ["TimeoutError", "TimeoutError"]


def test_cached_tokens_are_priced_and_an_unknown_model_is_not_free() -> None:
    cached = {"input_tokens": 0, "cache_read_input_tokens": 1_000_000, "output_tokens": 0}
    fresh = {"input_tokens": 1_000_000, "output_tokens": 0}
    read, full = price("claude-opus-5-5", cached), price("claude-opus-5-5", fresh)
    assert read is not None
    assert full is not None
    assert 0 < read < full / 5
    hour = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 1_000_000,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 1_000_000}}  # fmt: skip
    assert (price("claude-opus-5-5", hour) or 0) > full
    assert price("claude-unheard-of-9", fresh) is None


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


def broken(prompt: Prompt) -> str:
    """A reply of the right form whose every slot breaks several rules."""
    reply = answer(prompt.context)
    wrong = (
        {"edits": [{"key": "training.learning_rate_start", "value": 0.5}, {"key": "dataset", "value": "../../etc"}]},
        {"parent": 999, "mutation": "{{ 7 * 7 }}", "hypothesis": ""},
        {"role": "replicate", "parent": "root", "simulation_seed": -1},
        {"edits": [{"key": "training.n_epoch", "value": 3}], "seed_rationale": "suggested-default", "training_seed": 7},
    )
    for slot, change in enumerate(wrong):
        reply[f"slot_{slot}"]["proposal"] |= change
    return json.dumps(reply | {"memory": "no headings"})


class Stumbling:
    """Over real sockets: first no JSON, then a reply that breaks rules in every slot, then a good one."""

    def __init__(self, serve: Callable[..., Server], good_at: int) -> None:
        self.serve, self.good_at = serve, good_at
        self.repairs: list[str] = []

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        turn = len(prompt.turns) // 2
        self.repairs += [prompt.text] if turn else []
        text = "I would rather talk." if turn == 0 else broken(prompt)
        if turn >= self.good_at or prompt.context.batch != 1:
            text = json.dumps(answer(prompt.context))
        server = self.serve(stream(text))
        return ClaudeClient(ClaudeConfig(), base_url=server.url, tries=1).complete(prompt, schema)


def test_wrong_json_and_broken_rules_are_sent_back_over_the_wire_and_mended(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    client = Stumbling(serve, good_at=2)
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 2, client)
    assert [it.planned.role for it in night.history.batch(2)].count("fallback") == 0
    first, second = client.repairs
    assert "[unreadable]" in first
    for code in ("protected_key", "parent_future", "prose", "seed_range", "unknown_key", "memory_headings"):
        assert f"[{code}]" in second, second
    play(write_campaign(tmp_path / "c.yaml"), tmp_path / "clean", 2)
    assert (tmp_path / "r" / "analysis.md").read_bytes() == (tmp_path / "clean" / "analysis.md").read_bytes()


def test_rules_broken_to_the_end_leave_fallbacks_and_no_hostile_config(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 2, Stumbling(serve, good_at=9))
    assert [it.planned.role for it in night.history.batch(2)] == ["fallback"] * 4
    base = night.campaign.base_config()
    for iteration in night.history.batch(2):
        config = night.views.config(iteration)
        assert config.training.learning_rate_start == base.training.learning_rate_start
        assert config.dataset == f"surrogate_{iteration.planned.slot:02d}"
