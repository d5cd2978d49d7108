"""Idle places of a night whose records have times made up by hand, so that every share is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from agent.commands.provenance import driver_facts
from agent.ledger.waiting import CAUSES, CLAUDE, PAUSE, PROGRAM, SLOWEST, Waiting, waiting_data, waiting_words
from agent.night.night import Night
from state.evening import Budget
from state.history import History
from state.journal import Record, RecordType, read_records

START = datetime(2026, 1, 31, 22, 0, tzinfo=UTC)


def at(record: Record, minutes: float) -> Record:
    return record.model_copy(update={"time": (START + timedelta(minutes=minutes)).isoformat(timespec="microseconds")})


def made(type: RecordType, **data: object) -> Record:
    return Record(seq=0, time="", type=type, batch=1, data=data, prev=None, hash="")


def driver(places: int | None) -> Record:
    return made("driver_started", **({} if places is None else {"slots_at_once": places}))


# Minutes before each record of a type: slots of a batch end after 10, 20, 30 and 40 minutes, Claude takes 5.
PACE = {"slot_finished": 10.0, "slot_failed": 10.0, "reply_received": 5.0}


def timed(records: Iterator[Record], places: int | None, off: float = 0.0) -> Waiting:
    """The records of a night, PACE between them; before the last batch is committed a driver dies, ``off`` min long."""
    history, waiting, clock = History(), Waiting(), 0.0
    for record in records:
        if record.type == "batch_committed" and record.batch == 1 and off:
            clock += off
            history.apply(at(driver(places), clock))
            waiting.apply(at(driver(places), clock), history)
        clock += PACE.get(record.type, 0.0)
        history.apply(at(record, clock))
        waiting.apply(at(record, clock), history)
        if record.type == "campaign_started":
            history.apply(at(driver(places), clock))
            waiting.apply(at(driver(places), clock), history)
    return waiting


@pytest.mark.parametrize(
    ("places", "worked", "slowest"),
    [
        # Four at once: 40 minutes of training, of which the places work 10 + 20 + 30 + 40.
        (4, 100, 60),
        # Two at once: both work as long as two slots are left.
        (2, 70, 10),
        # One after the other: a place is never idle while there are slots.
        (1, 40, 0),
    ],
)
def test_a_place_is_idle_when_fewer_slots_are_left_than_places(
    finished: Callable[[int], Night], places: int, worked: float, slowest: float
) -> None:
    waiting = timed(read_records(finished(1).paths.journal), places)
    assert waiting.worked == pytest.approx(60 * worked)
    assert waiting.waited[SLOWEST] == pytest.approx(60 * slowest)
    # The start call and the conversation about the batch, with no slot at work.
    assert waiting.waited[CLAUDE] == pytest.approx(60 * 2 * 5 * places)
    assert waiting.waited[PAUSE] == waiting.waited[PROGRAM] == 0
    whole = worked + slowest + 10 * places
    assert waiting.shares()[CLAUDE] == pytest.approx(10 * places / whole)
    assert sum(waiting.shares().values()) == pytest.approx((whole - worked) / whole)


def test_time_without_a_driver_is_told_apart(finished: Callable[[int], Night]) -> None:
    records = list(read_records(finished(1).paths.journal))
    without, with_pause = timed(iter(records), 4), timed(iter(records), 4, off=90)
    assert with_pause.off_s == pytest.approx(90 * 60)
    assert with_pause.waited == without.waited
    assert waiting_words(with_pause) == (
        "the 4 places for slots waited 50 % of the time that a driver was at work (30 % for the slowest slot of a "
        "batch, 20 % for Claude); none was at work for 1.5 h"
    )
    assert waiting_words(timed(iter(records), 1)).startswith("the 1 place for slots waited 20 %")


def test_a_journal_that_names_no_places_says_nothing(finished: Callable[[int], Night]) -> None:
    waiting = timed(read_records(finished(1).paths.journal), None)
    assert waiting.worked == 0
    assert waiting.shares() == {}
    assert waiting_words(waiting) == ""
    assert waiting_data(waiting)["places"] is None


def test_the_time_while_a_person_has_paused_the_night() -> None:
    history, waiting = History(committed=1, planned=1), Waiting()
    for record in (
        at(driver(2), 0),
        at(made("user_input_taken", kind="pause"), 1),
        at(made("user_input_taken", kind="resume"), 31),
        at(made("budget_stop", reason="done"), 33),
        # Whatever comes after the end of a driver is nobody's waiting.
        at(driver(2), 93),
    ):
        history.apply(record)
        waiting.apply(record, history)
    assert waiting.waited == dict.fromkeys(CAUSES, 0.0) | {PAUSE: 60 * 60.0, PROGRAM: 60 * 6.0}
    assert waiting.off_s == 3600


def test_a_driver_journals_its_places(finished: Callable[[int], Night]) -> None:
    assert driver_facts(finished(1), {}, Budget())["slots_at_once"] == 4
