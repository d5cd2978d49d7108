"""Reading a reply: what is well formed comes through, everything else is one short account of what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.guard.reply import Asked, Unreadable, most_asked, parse_reply, reply_schema
from state.campaign import Campaign

PROPOSAL: dict[str, Any] = {
    "role": "exploit",
    "parent": 3,
    "parent_rule": "highest UCB",
    "mutation": "n_epochs: 2 -> 3",
    "edits": [{"key": "training.n_epochs", "value": 3}],
    "simulation_seed": 1,
    "training_seed": 2,
    "seed_rationale": "same-data-robustness",
    "hypothesis": "helps",
}
ENTRY = {"embedding": "a", "observation": "b", "verdict": "supported", "verdict_reason": "c"}
BATCH: dict[str, Any] = {
    "slot_0": {"entry": ENTRY, "proposal": PROPOSAL},
    "slot_1": {"entry": ENTRY, "proposal": PROPOSAL | {"parent": "root"}},
    "memory": "# notes",
    "block_summary": None,
    "acknowledged": "yes",
}
START: dict[str, Any] = {"slot_0": {"proposal": PROPOSAL}, "slot_1": {"proposal": PROPOSAL}, "memory": "# notes"}


def read(value: object, start: bool = False) -> Any:
    return parse_reply(value if isinstance(value, str) else json.dumps(value), Asked(2, start))


def complaint(value: object, start: bool = False) -> str:
    with pytest.raises(Unreadable) as caught:
        read(value, start)
    assert len(str(caught.value)) < 1500
    return str(caught.value)


def test_both_kinds_of_reply_come_through() -> None:
    reply = read(BATCH)
    assert [proposal.parent for proposal in reply.proposals] == [3, "root"]
    assert [entry.observation for entry in reply.entries] == ["b", "b"]
    assert (reply.memory, reply.block_summary, reply.acknowledged) == ("# notes", None, "yes")
    assert read(START, start=True).entries == [None, None]
    assert read(START, start=True).proposals[0].model_dump() == PROPOSAL


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "invalid JSON"),
        ("no", "invalid JSON"),
        ("```json\n{}\n```", "invalid JSON"),
        (json.dumps(BATCH)[:200], "invalid JSON"),
        (json.dumps(BATCH) + "}", "invalid JSON"),
        ("[" * 100_000, "invalid JSON"),
        (json.dumps(BATCH | {"memory": "\ud800"}), "invalid JSON"),
        ("[]", "input should be an object"),
        ("null", "input should be an object"),
        ({key: value for key, value in BATCH.items() if key != "acknowledged"}, "acknowledged is missing"),
        ({key: value for key, value in BATCH.items() if key != "slot_1"}, "slot_1 is missing"),
        (BATCH | {"slot_2": BATCH["slot_1"]}, "slot_2 is not a known key"),
        (BATCH | {"slot_1": {"proposal": PROPOSAL}}, "slot_1.entry is missing"),
        (BATCH | {"slot_1": BATCH["slot_1"] | {"entry": ENTRY | {"verdict": "maybe"}}}, "verdict is 'maybe'"),
        (BATCH | {"memory": 3}, "memory is 3"),
        (BATCH | {"slot_0": "x" * 10**6}, "slot_0 is 'xxx"),
        ({f"k{n}": 1 for n in range(10_000)}, "missing"),
        (START, "missing"),
    ],
)
def test_anything_else_is_told_shortly(value: object, says: str) -> None:
    assert says in complaint(value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"role": "fallback"}, "proposal.role is 'fallback'"),
        ({"parent": 1.5}, "proposal.parent"),
        ({"parent": None}, "proposal.parent"),
        ({"simulation_seed": "many"}, "simulation_seed is 'many'"),
        ({"edits": [{"key": "a", "value": None}]}, "edits.0.value"),
        ({"edits": [{"key": "a", "value": [1]}]}, "edits.0.value"),
        ({"edits": [{"key": "a"}]}, "edits.0.value is missing"),
        ({"edits": [{"key": "a", "value": 1, "valeu": 1}]}, "valeu is not a known key; did you mean value?"),
        ({"edits": {"training.n_epochs": 3}}, "edits"),
        ({"hypotesis": "x"}, "hypotesis is not a known key; did you mean hypothesis?"),
    ],
)
def test_a_proposal_of_another_form_is_refused(change: dict[str, Any], says: str) -> None:
    reply = BATCH | {"slot_0": {"entry": ENTRY, "proposal": PROPOSAL | change}}
    assert says in complaint(reply)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(word: str) -> None:
    assert "edits.0.value" in complaint(json.dumps(BATCH).replace('"value": 3', f'"value": {word}'))


@given(st.text(st.characters(), max_size=60))
def test_arbitrary_text_is_unreadable_and_nothing_worse(text: str) -> None:
    with pytest.raises(Unreadable):
        parse_reply(text, Asked(2, False))


def test_the_schema_allows_no_other_field_anywhere() -> None:
    for start in (False, True):
        schema = reply_schema(Asked(2, start))
        objects = [schema, *(part for part in schema["$defs"].values() if part["type"] == "object")]
        for part in objects:
            assert part["additionalProperties"] is False
            assert set(part["required"]) == set(part["properties"])
    assert {"slot_0", "slot_1", "memory"} == set(reply_schema(Asked(2, True))["properties"])


def test_the_embedding_may_be_null_only_where_no_pictures_are_sent() -> None:
    unseen = json.dumps(BATCH | {"slot_0": {"entry": ENTRY | {"embedding": None}, "proposal": PROPOSAL}})
    first = parse_reply(unseen, Asked(2, False, pictured=False)).entries[0]
    assert first is not None
    assert first.embedding is None
    with pytest.raises(Unreadable, match=r"slot_0.entry.embedding"):
        parse_reply(unseen, Asked(2, False, pictured=True))
    kinds = {
        pictured: reply_schema(Asked(2, False, pictured))["$defs"]["PicturedEntry" if pictured else "EntryReply"]
        for pictured in (False, True)
    }
    assert {"type": "null"} in kinds[False]["properties"]["embedding"]["anyOf"]
    assert kinds[True]["properties"]["embedding"]["type"] == "string"


@pytest.mark.parametrize(("pictures", "format", "due"), [(True, 2, True), (False, 2, False), (False, 1, True)])
def test_the_first_release_asked_for_the_embedding_in_every_campaign(pictures: bool, format: int, due: bool) -> None:
    tree = {"name": "one", "claude": {"pictures": pictures}, "explorable": {"training.n_epochs": {"choices": [2, 3]}}}
    campaign = Campaign.model_validate(tree)
    campaign._format = format
    assert most_asked(campaign).pictured is due
