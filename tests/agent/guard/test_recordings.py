"""Replies of a capable model, recorded in two whole nights: real prose, memory and seeds for schema, guard and claims.

The results of the surrogate night are computed again, under the settings of its time. Rules that came after it was
recorded are the only ones that it may break.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.claude.protocol import Completion, LLMUnavailable, Prompt
from agent.guard.reply import Asked, completed, parse_reply
from agent.night.loop import run_night
from agent.night.night import open_night
from state.added import EARLIER_DEFAULTS
from state.config import earlier_settings
from state.errors import Standstill
from state.evening import Budget
from state.files import dump_yaml, read_yaml
from state.journal import Record, read_records
from trainer.engines.inline import InlineEngine

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "recordings"
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not here")
# Batch 6 is the first at which a config leads and a trial is due, which the recorded night knew nothing of.
BEFORE_TRIALS = 5


def replies(night: str) -> list[str]:
    return [(folder / "reply.json").read_text() for folder in sorted((RECORDINGS / night).glob("[0-9]*"))]


class Recorded:
    """Answers the prompt of a batch with what was said of it; a reply that is sent back ends the night."""

    def __init__(self) -> None:
        self._left = replies("surrogate")

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        if prompt.turns:
            raise LLMUnavailable("a recorded reply is not repaired")
        return Completion(self._left.pop(0), "end_turn", model="recorded")


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    if not RECORDINGS.is_dir():
        pytest.skip("the recordings are not here")
    root = tmp_path_factory.mktemp("recorded")
    tree = read_yaml(RECORDINGS / "surrogate" / "campaign.yaml")
    for key, value in (earlier_settings() | EARLIER_DEFAULTS).items():
        section, _, name = key.partition(".")
        tree.setdefault(section, {})[name] = value
    (root / "c.yaml").write_text(dump_yaml(tree))
    night = open_night(root / "c.yaml", root / "run", dry_run=False)
    try:
        with pytest.raises(Standstill, match="not repaired"):
            run_night(night, Recorded(), InlineEngine(), lambda *_: None, Budget(max_batches=9))
    finally:
        night.close()
    return list(read_records(night.paths.journal))


@pytest.mark.parametrize(("night", "count"), [("surrogate", 10), ("quickstart", 11)])
def test_every_recorded_reply_is_readable(night: str, count: int) -> None:
    texts = replies(night)
    assert len(texts) == count
    start = '"entry"' not in texts[0]
    assert start
    for text in texts[1:]:
        reply = parse_reply(text, Asked(4, '"entry"' not in text))
        assert all(proposal is not None for proposal in reply.proposals)
        assert completed([texts[0], text]) is not None


def test_real_prose_memory_and_seeds_are_accepted_as_they_stand(journal: list[Record]) -> None:
    accepted = [record for record in journal if record.type == "reply_accepted"]
    assert [record.batch for record in accepted] == list(range(BEFORE_TRIALS + 1))
    for record in accepted:
        assert (record.data["fallbacks"], record.data["warnings"]) == ({}, [])
        assert [wrong for slot in record.data["checks"] for wrong in slot] == []
        assert record.data["memory_checks"] == []


def test_only_a_rule_that_came_later_sends_a_recorded_reply_back(journal: list[Record]) -> None:
    (rejected,) = (record for record in journal if record.type == "reply_rejected")
    assert (rejected.batch, rejected.data["codes"]) == (BEFORE_TRIALS + 1, ["confirmation_owed"])


def test_the_figures_of_the_recorded_prose_are_looked_at(journal: list[Record]) -> None:
    """That no claim is wrong would mean little if none were found."""
    entries = [entry for record in journal if record.type == "batch_committed" for entry in record.data["entries"]]
    told = " ".join(entry["observation"] + entry["embedding"] for entry in entries)
    assert told.count("cluster_accuracy=") >= 15
    assert told.count("V_rest_R2") >= 15
