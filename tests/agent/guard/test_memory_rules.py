"""The start call plans variations, and what the memory held does not silently become a bare heading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.briefing.context import build_context
from agent.briefing.facts import guard_facts
from agent.claude.mock import answer
from agent.guard.guard import check
from agent.guard.reply import Asked, parse_reply
from agent.ledger.ledger import Ledger
from agent.night.night import Night
from prompts.memory import HEADINGS, empty_memory
from state.blobs import BlobStore
from state.campaign import load_campaign
from tests.agent.conftest import CAMPAIGN


def codes(ledger: Ledger, reply: dict[str, Any], start: bool) -> list[str]:
    verdict = check(parse_reply(json.dumps(reply), Asked(4, start)), guard_facts(ledger, build_context(ledger)))
    assert (verdict.memory is None) == any(violation.code.startswith("memory") for violation in verdict.violations)
    return [violation.code for violation in verdict.violations]


def test_the_start_call_names_what_will_be_varied(tmp_path: Path) -> None:
    ledger = Ledger(load_campaign(CAMPAIGN), BlobStore(tmp_path / "blobs"))
    reply = answer(build_context(ledger))
    assert codes(ledger, reply, start=True) == []
    assert codes(ledger, reply | {"memory": empty_memory("n")}, start=True) == ["memory_plan"]
    vague = empty_memory("n").replace("### Open Questions", "### Open Questions\n\nWhat will help?")
    assert codes(ledger, reply | {"memory": vague}, start=True) == ["memory_plan"]
    planned = vague.replace("What will help?", "Does a lower alternate_lr_ratio help?")
    assert codes(ledger, reply | {"memory": planned}, start=True) == []


def test_a_heading_that_had_text_is_not_left_bare(night: Night, good: dict[str, Any]) -> None:
    before = good["memory"]
    assert codes(night, good, start=False) == []
    for heading in ("### Open Questions", "## Current Block"):
        at = before.index(heading) + len(heading)
        end = min([before.find(other, at) for other in HEADINGS if before.find(other, at) > 0] + [len(before)])
        bare = before[:at] + "\n\n" + before[end:]
        assert codes(night, good | {"memory": bare}, start=False) == ["memory_emptied"]
    # What never had text may stay bare, and the program's table is its own.
    assert "### Falsified Hypotheses\n\n### Open Questions" in before
