"""Replays a whole run directory and gathers, batch by batch, what does not follow from what came before."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from pydantic import ValidationError

from agent.derived import Derived
from agent.replay.evidence import Evidence
from agent.replay.files import config_faults, derived_faults, slot_faults, tree_fault
from agent.replay.records import Replay
from state.campaign import Campaign, parse_campaign
from state.errors import JournalError, NightflyError, RunError
from state.journal import Record, read_records
from state.lock import is_held
from state.paths import RunPaths

# What a journal with an intact chain but impossible contents may raise while it is replayed.
IMPOSSIBLE = (NightflyError, ValidationError, LookupError, ValueError, TypeError, AttributeError, AssertionError)

LONG = 1_000_000  # bytes of journal from which starting processes pays


@dataclass
class BatchOutcome:
    """What replaying one batch found; batch 0 is the start call."""

    batch: int
    records: int = 0
    iterations: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether everything followed."""
        return not self.faults


@dataclass
class Outcome:
    """The whole run: its batches, faults of the run as a whole, and remarks that are no faults."""

    batches: dict[int, BatchOutcome] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    records: int = 0
    head: str | None = None
    state: tuple[Replay, Derived] | None = None

    @property
    def passed(self) -> bool:
        """Whether everything followed."""
        return not self.faults and all(batch.passed for batch in self.batches.values())


Wanted = Callable[[int], bool]


def replay_run(root: Path, only: int | None = None, workers: int | None = None) -> Outcome:
    """Replay the run in ``root``; with ``only`` the other batches are folded but not compared.

    A long run is shared among ``workers`` processes (default: one a core): each folds every record, since the state
    is needed for all of them, and compares every so-manieth batch.
    """
    paths = RunPaths(root)
    if not paths.journal.exists():
        raise RunError(f"{root}: holds no nightfly run (no journal.jsonl); give a directory such as runs/quickstart")
    long = only is None and paths.journal.stat().st_size > LONG
    shares = workers or (len(os.sched_getaffinity(0)) if long else 1)
    if only is not None or shares == 1:
        return _share(paths, only, 0, 1)
    with ProcessPoolExecutor(shares, mp_context=get_context("fork")) as pool:
        return _merged(list(pool.map(partial(_share, paths, None, shares=shares), range(shares))))


def _merged(outcomes: list[Outcome]) -> Outcome:
    """Each batch from the share that compared it, the run as a whole from the first."""
    whole = outcomes[0]
    whole.batches = {number: outcomes[number % len(outcomes)].batches[number] for number in whole.batches}
    return whole


def _share(paths: RunPaths, only: int | None, number: int, shares: int) -> Outcome:
    """Compare batch ``only``, or those of the ``number``-th share; the first also looks at the run as a whole."""
    outcome = Outcome()
    try:
        _replay(paths, outcome, lambda batch: batch % shares == number if only is None else batch == only)
        if only is None and number == 0 and outcome.state is not None:
            _add_run_faults(paths, *outcome.state, outcome)
    except JournalError as error:
        outcome.faults.append(str(error))
    outcome.state = None
    return outcome


def _replay(paths: RunPaths, outcome: Outcome, wanted: Wanted) -> None:
    evidence, replay, derived = Evidence(paths.blobs), None, None
    for record in read_records(paths.journal):
        place = outcome.batches.setdefault(record.batch, BatchOutcome(record.batch))
        outcome.records, outcome.head = record.seq + 1, record.hash
        place.records += 1
        try:
            if replay is None or derived is None:
                replay = Replay(_campaign(record, evidence), evidence)
                derived = Derived(paths, replay)
            if wanted(record.batch):
                place.faults += [_at(record, fault) for fault in replay.check(record)]
            _fold(record, replay, derived)
            if record.type in ("slot_finished", "slot_failed"):
                place.iterations.append(record.data["iteration"])
                if wanted(record.batch):
                    iteration = replay.history.iterations[record.data["iteration"]]
                    place.faults += slot_faults(paths, replay, iteration)
        except IMPOSSIBLE as error:
            place.faults.append(_at(record, f"cannot be replayed: {_one_line(error)}"))
            outcome.remarks.append("nothing after this record was replayed")
            return
    if replay is None or derived is None:
        outcome.faults.append(f"{paths.journal}: holds no record")
    else:
        outcome.state = replay, derived


def _campaign(record: Record, evidence: Evidence) -> Campaign:
    if record.type != "campaign_started":
        raise RunError(f"the first record is {record.type}, expected campaign_started")
    return parse_campaign(evidence.text(record.data["campaign"]), "the campaign in the journal")


def _fold(record: Record, replay: Replay, derived: Derived) -> None:
    replay.fold(record)
    derived.apply(record)


def _add_run_faults(paths: RunPaths, replay: Replay, derived: Derived, outcome: Outcome) -> None:
    try:
        for fault in _run_faults(paths, replay, derived, outcome):
            outcome.faults.append(fault)
    except IMPOSSIBLE as error:
        outcome.faults.append(f"the files of the run cannot be replayed: {_one_line(error)}")


def _run_faults(paths: RunPaths, replay: Replay, derived: Derived, outcome: Outcome) -> Iterator[str]:
    if is_held(paths.lock):
        outcome.remarks.append("a driver is at work: the files it keeps writing were not compared")
        return
    yield from replay.blobs.unread_faults()
    yield from derived_faults(derived)
    yield from config_faults(paths, replay)
    if (fault := tree_fault(derived, replay)) is not None:
        yield fault
    yield from _tail_fault(paths, outcome)


def _tail_fault(paths: RunPaths, outcome: Outcome) -> Iterator[str]:
    """A crash leaves half a line, which is no fault; a whole line without its line end was changed."""
    tail = paths.journal.read_bytes().rpartition(b"\n")[2]
    if not tail:
        return
    try:
        json.loads(tail[:-1])
    except ValueError:
        outcome.remarks.append(f"the journal ends in a half-written line ({len(tail)} bytes); the next driver cuts it")
    else:
        yield f"{paths.journal}, line {outcome.records + 1}: lost its line end; it was changed after writing"


def _at(record: Record, fault: str) -> str:
    return f"journal line {record.seq + 1} ({record.type}): {fault}"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, NightflyError) else f"{type(error).__name__}: {text[:200]}"
