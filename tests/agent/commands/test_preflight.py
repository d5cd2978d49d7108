"""What is looked at before a night with the real Claude: model, room, price, over a real server on loopback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.claude.client import ClaudeClient
from agent.claude.protocol import LLMUnavailable, ModelFacts
from agent.commands.preflight import estimate, next_prompt, refuse_unfit, unlimited
from agent.ledger.open_run import open_run
from agent.night.ask import batch_schema
from state.campaign import load_campaign
from state.claude import ClaudeConfig
from state.errors import ConfigError
from state.evening import Budget
from tests.agent.claude.fake_anthropic import SECRET, Server, refuse, stream
from tests.agent.claude.test_client import serve
from tests.agent.conftest import play, write_campaign
from trainer.engines.contract import Ended, Job
from trainer.engines.inline import InlineEngine

__all__ = ["serve"]

ROOT = Path(__file__).resolve().parents[3]
NO, YES = {"supported": False}, {"supported": True}


def capabilities(**lacking: bool) -> dict[str, Any]:
    names = ("batch", "citations", "code_execution", "image_input", "pdf_input", "structured_outputs")
    support: dict[str, Any] = {name: NO if name in lacking else YES for name in names}
    levels = dict.fromkeys(("high", "low", "max", "medium", "xhigh"), YES)
    return support | {
        "effort": YES | levels | ({"high": NO} if "effort" in lacking else {}),
        "thinking": {"supported": "thinking" not in lacking, "types": {"adaptive": YES, "enabled": YES}},
        "context_management": None,
        "server_tools": None,
    }


def look(server: Server, tmp_path: Path, **config: Any) -> tuple[ModelFacts, list[str]]:
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 2)
    settings = ClaudeConfig(**config)
    facts = ClaudeClient(settings, base_url=server.url).preflight(*next_prompt(night), batch_schema(night.campaign))
    budget = Budget(max_batches=7)
    refuse_unfit(facts, settings, budget)
    return facts, estimate(facts, night, budget)


def test_a_good_model_is_told_with_room_price_and_the_night(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(stream("{}"))
    server.model["capabilities"] = capabilities()  # type: ignore[index]
    facts, lines = look(server, tmp_path)
    assert facts == ModelFacts(1_000_000, 64_000, "active", (), 4321, "claude-opus-5-5", "full")
    assert "4,321 of 1,000,000 tokens" in lines[0]
    assert "a million tokens" in lines[0]
    assert "the budget allows 5 batches, $" in lines[1]
    counted = next(request for request in server.requests if "count_tokens" in request["path"])
    assert "BATCH 2" in counted["body"]["messages"][0]["content"]


@pytest.mark.parametrize("what", ["image_input", "structured_outputs", "thinking", "effort"])
def test_a_model_that_cannot_do_what_is_needed_is_refused(
    what: str, serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve(stream("{}"))
    server.model["capabilities"] = capabilities(**{what: True})  # type: ignore[index]
    with pytest.raises(ConfigError, match=r"claude\.model claude-opus-5-5 cannot do"):
        look(server, tmp_path)


@pytest.mark.parametrize(
    ("model", "config", "says"),
    [
        ({"lifecycle": "retired"}, {}, "is retired; choose another model"),
        ({"max_tokens": 8000}, {"max_tokens": 9000}, "9,000 is more than the 8,000"),
        ({"max_input_tokens": 20_000}, {"max_tokens": 16_000}, "the prompt has 4,321 tokens"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    model: dict[str, Any], config: dict[str, Any], says: str, serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve(stream("{}"))
    server.model = {**server.model, **model}  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match=says):
        look(server, tmp_path, **config)


def test_an_unknown_model_and_a_bad_key_are_told_before_anything_is_trained(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    for status, kind, says in ((404, "not_found_error", "not known"), (401, "authentication_error", "refused the key")):
        server = serve(stream("{}"))
        server.model = refuse(status, kind)
        with pytest.raises(LLMUnavailable, match=says) as caught:
            look(server, tmp_path)
        assert SECRET not in str(caught.value)


def test_dollars_cannot_be_limited_where_the_price_is_unknown() -> None:
    facts, config = ModelFacts(None, None, "active", (), 10), ClaudeConfig(model="claude-unheard-of-9")
    refuse_unfit(facts, config, Budget(max_tokens=5))
    with pytest.raises(ConfigError, match=r"price of claude-unheard-of-9 is unknown; use budget\.max_tokens"):
        refuse_unfit(facts, config, Budget(max_dollars=5))


def test_a_night_that_was_killed_in_the_middle_of_a_batch_is_looked_at_by_its_last_prompt(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    class Killed(InlineEngine):
        def poll(self) -> tuple[list[Job], list[Ended]]:
            raise KeyboardInterrupt

    file, root = write_campaign(tmp_path / "c.yaml"), tmp_path / "r"
    for batches in (0, 2):
        if batches:
            play(file, root, batches)
        with pytest.raises(KeyboardInterrupt):
            play(file, root, batches + 1, engine=Killed())
        ledger = open_run(root).ledger()
        assert ledger.history.unfinished()
        system, text = next_prompt(ledger)
        assert system
        assert text
        settings = ClaudeConfig()
        client = ClaudeClient(settings, base_url=serve(stream("{}")).url)
        assert client.preflight(system, text, batch_schema(ledger.campaign)).prompt_tokens == 4321


@pytest.mark.parametrize(
    "limit", [{"max_dollars": 40}, {"finish_by": "08:00"}, {"max_batches": 3}, {"max_tokens": 9}, {}]
)
def test_a_night_that_nothing_ends_is_warned_of(limit: dict[str, Any]) -> None:
    warning = unlimited(Budget(**limit))
    assert ("no budget is set" in warning) == (not limit)


def test_the_full_campaign_ends_by_a_time_and_by_dollars() -> None:
    budget = load_campaign(ROOT / "campaigns" / "flyvis_62_1_gs_alternate.yaml").budget
    assert budget.finish_by is not None
    assert budget.max_dollars is not None
