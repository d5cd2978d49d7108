"""The present state of a run as a fold over its records."""

from __future__ import annotations

from itertools import count
from typing import Any, get_args

import pytest

from state.history import History
from state.journal import RECORD_TYPES, Record, RecordType
from state.metrics import METRICS
from state.records import Failure, Planned, SlotResult

NUMBERS = count()


def record(type_: RecordType, batch: int = 0, **data: Any) -> Record:
    return Record(seq=next(NUMBERS), time="t", type=type_, batch=batch, data=data, prev=None, hash="h")


def planned(iteration: int, batch: int, slot: int) -> dict[str, Any]:
    return Planned(
        iteration=iteration,
        batch=batch,
        slot=slot,
        run_id=f"n.{iteration:04d}",
        parent=None,
        role="baseline",
        mutation="[none] — baseline, campaign defaults unchanged",
        parent_rule="start",
        hypothesis="none",
        simulation_seed=iteration,
        training_seed=iteration,
        seed_rationale="suggested-default",
        config="blob",
        config_hash="hash",
        config_id="C1",
    ).model_dump(mode="json")


def result(failure: Failure | None = None) -> dict[str, Any]:
    metrics = {} if failure else dict.fromkeys(METRICS, 0.5)
    status = "failed" if failure else "done"
    made = SlotResult(run_id="n.0001.a1", config_hash="hash", status=status, metrics=metrics, failure=failure)
    return made.model_dump(mode="json")


def fold(*records: Record) -> History:
    history = History()
    for one in records:
        history.apply(one)
    return history


BEGUN = (
    record("campaign_started", campaign="blob", identity="id", dry_run=True),
    record("driver_started"),
    record("prompt_rendered", kind="start"),
    record("reply_received", reply="r1"),
    record("reply_rejected", violations=["v"]),
    record("prompt_rendered", kind="repair"),
    record("reply_received", reply="r2"),
    record("reply_accepted", proposals=[{"role": "baseline"}] * 2, fallbacks={}),
    record("batch_committed", entries=[], proposals=[{"parent": None}] * 2, memory="m0", block_summary=None),
)
PLANNED = record("batch_planned", 1, slots=[planned(1, 1, 0), planned(2, 1, 1)], new_config_ids={"x": "C1"})
STARTED = record("slot_started", 1, iteration=1, slot=0, run_id="n.0001.a1")


def test_every_record_type_has_a_fold() -> None:
    assert set(RECORD_TYPES) == set(get_args(RecordType))
    for kind in RECORD_TYPES:
        assert callable(getattr(History(), f"_{kind}"))


def test_the_start_call_with_its_repair_turn() -> None:
    history = fold(*BEGUN[:5])
    assert history.committed == -1
    assert [exchange.rejected for exchange in history.exchanges] == [{"violations": ["v"]}]
    history = fold(*BEGUN)
    assert (history.campaign_blob, history.campaign_identity, history.dry_run) == ("blob", "id", True)
    assert (history.committed, history.planned, history.next_iteration, history.memory) == (0, 0, 1, "m0")
    assert [exchange.accepted is None for exchange in history.exchanges] == [True, False]
    assert len(history.proposals) == 2
    assert history.records == len(BEGUN)


def test_a_batch_from_plan_to_commit() -> None:
    history = fold(*BEGUN, PLANNED)
    assert (history.planned, history.committed, history.next_iteration, history.exchanges) == (1, 0, 3, [])
    assert [iteration.planned.slot for iteration in history.batch(1)] == [0, 1]
    assert history.config_ids == {"x": "C1"}
    history = fold(*BEGUN, PLANNED, STARTED)
    assert [iteration.run_id for iteration in history.unfinished()] == ["n.0001.a1", None]
    again = record("slot_started", 1, iteration=1, slot=0, run_id="n.0001.a2")
    done = record("slot_finished", 1, iteration=1, slot=0, result=result(), artifacts={"activity.png": "b"})
    history = fold(*BEGUN, PLANNED, STARTED, again, done)
    first = history.iterations[1]
    assert (first.attempts, first.run_id, first.artifacts) == (2, "n.0001.a2", {"activity.png": "b"})
    assert first.result is not None
    assert first.result.metrics == dict.fromkeys(METRICS, 0.5)
    failure = Failure(kind="crashed", message="exit code 1")
    failed = record("slot_failed", 1, iteration=2, slot=1, result=result(failure), artifacts={})
    history = fold(*BEGUN, PLANNED, STARTED, again, done, failed)
    assert history.unfinished() == []
    assert history.iterations[2].result is not None
    assert history.iterations[2].result.failure == failure
    entries = [{"iteration": 1, "text": "one"}, {"iteration": 2, "text": "two"}]
    commit = record("batch_committed", 1, entries=entries, proposals=[], memory="m1", block_summary=None)
    history = fold(*BEGUN, PLANNED, STARTED, again, done, failed, commit)
    assert (history.committed, history.memory) == (1, "m1")
    assert [history.iterations[n].entry for n in (1, 2)] == entries


@pytest.mark.parametrize("kind", ["driver_stopped", "budget_stop"])
def test_why_the_last_driver_stopped_until_the_next_one_starts(kind: RecordType) -> None:
    history = fold(*BEGUN, record(kind, reason="enough"))
    assert (history.stopped, history.drivers) == ("enough", 1)
    history.apply(record("driver_started"))
    assert (history.stopped, history.drivers) == (None, 2)


def test_an_unknown_batch_is_empty() -> None:
    assert History().batch(7) == []
    assert History().unfinished() == []
