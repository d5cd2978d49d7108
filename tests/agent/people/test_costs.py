"""What Claude cost and what the cache saved, from the usage that the service tells over a socket to the display."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.claude.client import ClaudeClient
from agent.claude.mock import answer
from agent.claude.prices import price, saved_by_cache
from agent.claude.protocol import Completion, Prompt
from agent.ledger.spending import cache_words
from agent.night.loop import run_night
from agent.night.night import open_night
from agent.people.costs import Costs
from agent.replay.whole_run import replay_run
from state.claude import ClaudeConfig
from state.evening import Budget
from state.journal import read_records
from tests.agent.claude.fake_anthropic import Server, events
from tests.agent.claude.test_client import serve
from tests.agent.conftest import play, write_campaign
from trainer.engines.inline import InlineEngine

__all__ = ["serve"]
READ, WRITTEN = 500_000, 20_000


class Cached:
    """The mock's replies over a socket, from a service that has read most of the prompt from its cache."""

    def __init__(self, serve: Callable[..., Server]) -> None:
        self.serve = serve

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        said = events(json.dumps(answer(prompt.context))).decode()
        usage = {"input_tokens": 12, "output_tokens": 1, "cache_read_input_tokens": READ,
                 "cache_creation_input_tokens": WRITTEN}  # fmt: skip
        old = json.dumps({"input_tokens": 12, "output_tokens": 1, "cache_read_input_tokens": 900})
        said = said.replace(old, json.dumps(usage)).replace("claude-test", "claude-opus-5-5")
        assert str(READ) in said

        def send(handler: Any) -> None:
            handler.send_response(200)
            handler.send_header("content-type", "text/event-stream")
            handler.end_headers()
            handler.wfile.write(said.encode())

        client = ClaudeClient(ClaudeConfig(), base_url=self.serve(send).url, tries=1)
        return client.complete(prompt, schema)


def test_each_batch_says_what_the_cache_saved_and_the_replay_agrees(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    night, said = open_night(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", dry_run=True), list[str]()
    night.observers.append(Costs(night, said.append))
    try:
        run_night(night, Cached(serve), InlineEngine(), lambda *_: None, Budget(max_batches=1))
        night.derived.flush()
    finally:
        night.close()
    assert len(said) == 2, said
    assert said[1].startswith("batch 1: Claude took $")
    assert f"{READ:,} of them from the prompt cache, which saved $" in said[1]
    usage = {"input_tokens": 12, "output_tokens": 34, "cache_read_input_tokens": READ,
             "cache_creation_input_tokens": WRITTEN}  # fmt: skip
    plain = {"input_tokens": 12 + READ + WRITTEN, "output_tokens": 34}
    full, paid = price("claude-opus-5-5", plain), price("claude-opus-5-5", usage)
    assert full is not None
    assert paid is not None
    assert night.spending.saved == pytest.approx(2 * (full - paid))
    assert replay_run(tmp_path / "r").passed


def test_a_cache_that_is_only_written_costs() -> None:
    written = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 1_000_000,
               "cache_creation": {"ephemeral_1h_input_tokens": 1_000_000, "ephemeral_5m_input_tokens": 0}}  # fmt: skip
    saved = saved_by_cache("claude-opus-5-5", written)
    assert saved is not None
    assert saved < 0
    assert "cost $" in cache_words(0, saved)
    assert saved_by_cache("claude-unheard-of-9", written) is None
    assert cache_words(0, 0.0) == ""


def test_the_part_that_is_cached_is_the_same_in_every_prompt_of_a_night(tmp_path: Path) -> None:
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 4)
    prompts = [r.data for r in read_records(night.paths.journal) if r.type == "prompt_rendered"]
    assert len(prompts) == 5
    assert len({one["system"] for one in prompts}) == 1
