"""Ten thousand hostile replies break no promise; and a guard that let something through would be caught."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

import agent.guard.edits
from agent.claude.mock import answer
from benchmarks import guard_fuzz
from benchmarks.arena import Arena, Tally, arenas

REPLIES = int(os.environ.get("NIGHTFLY_FUZZ_REPLIES", "10000"))
# From so many replies on, nearly every rule has been broken at least once.
MANY = 6000


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> list[Arena]:
    return arenas(tmp_path_factory.mktemp("fuzz"))


def test_whatever_is_replied_the_next_batch_is_safe(tmp_path: Path) -> None:
    tally = guard_fuzz.run(REPLIES, seed=0, folder=tmp_path)
    assert tally.broken == []
    assert tally.replies == REPLIES
    assert tally.readable > REPLIES / 2
    assert tally.accepted_slots > REPLIES / 2
    if REPLIES >= MANY:
        assert len(tally.codes) >= 28


def test_the_same_number_gives_the_same_reply(places: list[Arena]) -> None:
    for arena in places:
        once, again = (arena.hostile.reply(random.Random("0:7")) for _ in range(2))
        assert once == again


def test_a_guard_that_lets_a_protected_key_through_is_caught(
    places: list[Arena], monkeypatch: pytest.MonkeyPatch
) -> None:
    arena, key = places[2], "training.learning_rate_W_start"
    reply = answer(arena.context)
    reply["slot_0"]["proposal"] |= {
        "role": "explore",
        "parent": "root",
        "edits": [{"key": key, "value": 0.01}],
        "mutation": "learning_rate_W_start: 0.0005 -> 0.01",
    }
    text = json.dumps(reply)
    tally = Tally()
    arena.try_one(text, tally)
    assert tally.codes == {"protected_key": 1}
    monkeypatch.setattr(agent.guard.edits, "_fault", lambda *_: None)
    with pytest.raises(AssertionError, match="learning_rate_W_start"):
        arena.try_one(text, Tally())
