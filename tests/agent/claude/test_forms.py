"""A service that refuses large schemas, over real sockets: the next smaller form is used, and the same checks hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from agent.claude.client import ClaudeClient
from agent.claude.forms import enforced, smaller, told, unwrapped
from agent.claude.mock import answer
from agent.claude.protocol import Completion, LLMUnavailable, Prompt
from agent.guard.reply import Asked, reply_schema
from agent.night.ask import batch_schema
from agent.night.night import Night
from agent.replay.whole_run import replay_run
from state.campaign import load_campaign
from state.journal import read_records
from tests.agent.claude.fake_anthropic import Server, refuse, send_json, stream
from tests.agent.claude.test_client import serve
from tests.agent.conftest import play, write_campaign

__all__ = ["serve"]
TOO_LARGE = "The compiled grammar is too large, which would cause performance issues. Simplify your tool schemas."


def grammar_error(handler: BaseHTTPRequestHandler) -> None:
    error = {"type": "invalid_request_error", "message": TOO_LARGE}
    send_json(handler, 400, {"type": "error", "error": error})


class Choosy:
    """Over real sockets: refuses a schema of more than ``limit`` characters, else replies as the mock would.

    A reply to which no schema was sent comes with words and a fence around it.
    """

    def __init__(self, serve: Callable[..., Server], file: Path, limit: int) -> None:
        self.server, self.limit, self.say = serve(self.respond), limit, "{}"
        self.server.probe = self.respond
        self.client = ClaudeClient(load_campaign(file).claude, base_url=self.server.url, tries=2, longest_wait_s=0.05)

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        config = self.server.requests[-1]["body"]["output_config"]
        if "format" not in config:
            stream(f"Here is what I propose:\n\n```json\n{self.say}\n```\nI hope that helps {{really}}.")(handler)
        elif len(json.dumps(config["format"]["schema"])) > self.limit:
            grammar_error(handler)
        else:
            stream(self.say)(handler)

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        self.say = json.dumps(answer(prompt.context))
        return self.client.complete(prompt, schema)


def size(n_parallel: int, form: str) -> int:
    from anthropic import transform_schema

    schema = enforced(reply_schema(Asked(n_parallel, False)), form)  # type: ignore[arg-type]
    return len(json.dumps(transform_schema(schema or {"type": "object"})))


@pytest.mark.parametrize("n_parallel", [4, 8, 16])
@pytest.mark.parametrize("form", ["full", "flat", "text"])
def test_the_largest_form_that_is_taken_is_used_and_the_night_is_the_same(
    n_parallel: int, form: str, serve: Callable[..., Server], tmp_path: Path
) -> None:
    search = {"n_parallel": n_parallel, "n_iter_block": n_parallel}
    file = write_campaign(tmp_path / "c.yaml", search=search, policy={"baseline_runs": n_parallel})
    choosy = Choosy(serve, file, 0 if form == "text" else size(n_parallel, form))
    night = play(file, tmp_path / "r", 2, choosy)
    play(file, tmp_path / "mock", 2)
    assert (tmp_path / "r" / "analysis.md").read_bytes() == (tmp_path / "mock" / "analysis.md").read_bytes()
    assert not any(it.planned.role == "fallback" for it in night.history.iterations.values())
    replies = [r.data for r in read_records(tmp_path / "r" / "journal.jsonl") if r.type == "reply_received"]
    # The smaller schema of the start call may still be taken in a larger form.
    assert replies[-1].get("form", "full") == form
    assert [one["form"] for one in replies[-1]["tries"]][-1] == form
    assert replay_run(tmp_path / "r").passed


@pytest.mark.parametrize(("limit", "form"), [(10**9, "full"), (1, "text")])
def test_the_preflight_finds_the_form_for_one_token(
    limit: int, form: str, serve: Callable[..., Server], tmp_path: Path
) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    choosy = Choosy(serve, file, limit)
    assert choosy.client.preflight("system", "text", batch_schema(load_campaign(file))).form == form
    probes = [r["body"] for r in choosy.server.requests if r["path"] == "/v1/messages"]
    assert all(body["max_tokens"] == 1 for body in probes)
    assert len(probes) == (1 if form == "full" else 2), "the form without a schema needs no question"


def test_a_key_that_is_refused_in_the_preflight_is_a_sentence_and_an_overload_is_not(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    for probe, says in ((refuse(402, "billing_error"), "no credit"), (refuse(529, "overloaded_error"), "")):
        server = serve(stream("{}"))
        server.probe = probe
        client = ClaudeClient(load_campaign(file).claude, base_url=server.url)
        if not says:
            assert client.preflight("s", "t", {"type": "object"}).form == "full"
            continue
        with pytest.raises(LLMUnavailable, match=says):
            client.preflight("s", "t", {"type": "object"})


def test_a_schema_that_is_refused_in_every_form_needs_a_person(serve: Callable[..., Server], night: Night) -> None:
    server = serve(grammar_error)
    prompt = Prompt("s", "t", None)  # type: ignore[arg-type]
    with pytest.raises(LLMUnavailable, match="cannot enforce the schema of the reply") as caught:
        ClaudeClient(night.campaign.claude, base_url=server.url, tries=9).complete(
            prompt, reply_schema(Asked(4, False))
        )
    assert caught.value.fatal
    assert len(server.requests) == 3


def test_forms_are_the_same_schema_with_fewer_words() -> None:
    schema = reply_schema(Asked(16, False))
    flat = enforced(schema, "flat")
    assert flat is not None
    assert enforced(schema, "full") == schema
    assert enforced(schema, "text") is None
    assert size(16, "flat") < size(16, "full")
    assert "description" not in json.dumps(flat)
    assert flat["required"] == schema["required"]
    assert set(flat["$defs"]) == set(schema["$defs"])
    assert enforced({"properties": {"title": {"title": "T", "type": "string"}}}, "flat") == {
        "properties": {"title": {"type": "string"}}
    }
    assert told("be good", schema, "flat") == "be good"
    assert '"slot_15"' in told("be good", schema, "text")
    assert [smaller("full"), smaller("flat"), smaller("text")] == ["flat", "text", None]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('Sure!\n```json\n{"a": {"b": 2}}\n```\nDone {ok}.', '{"a": {"b": 2}}'),
        ('First {"x": 1}, then {"x": 1, "y": 22}.', '{"x": 1, "y": 22}'),
        ("no JSON { here", "no JSON { here"),
        ("", ""),
        ("{" * 100_000, "{" * 100_000),
        ('{"a":' * 50_000, '{"a":' * 50_000),
    ],
    ids=["bare", "fenced", "two", "none", "empty", "braces", "deep"],
)
def test_what_stands_around_the_json_is_passed_over_in_bounded_time(text: str, found: str) -> None:
    assert unwrapped(text) == found


def test_a_fence_is_no_excuse_where_the_schema_was_enforced(serve: Callable[..., Server], tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml", claude={"repair_turns": 0})

    class Fenced:
        def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
            return Completion(f"```json\n{json.dumps(answer(prompt.context))}\n```", "end_turn")

    night = play(file, tmp_path / "r", 1, Fenced())
    assert night.history.useless == 2
