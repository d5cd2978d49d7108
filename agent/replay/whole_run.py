"""Replays a whole run directory and gathers, batch by batch, what does not follow from what came before."""

from __future__ import annotations

import gc
import json
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

from pydantic import ValidationError

from agent.ledger.open_run import Run, open_run
from agent.night.derived import Derived
from agent.replay.ends import anchor_fault, picture_fault, report_fault, slot_folder_faults
from agent.replay.files import config_faults, derived_faults, slot_faults, tree_fault
from agent.replay.records import Replay
from state.errors import JournalError, NightflyError
from state.journal import Record, read_records
from state.lock import is_held
from state.paths import RunPaths
from state.shapes import SlotEnded

# Errors that a journal can cause whose hashes are right and whose contents make no sense.
IMPOSSIBLE = (NightflyError, ValidationError, LookupError, ValueError, TypeError, AttributeError, AssertionError)

LONG = 1_000_000  # bytes; a shorter journal is replayed faster by one process
# Measured costs of a batch, in units of folding and comparing it: folding alone, and its share of the whole-run checks.
FOLDING = 0.25
WHOLE = 0.15


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
    """The whole run: its batches, faults of the run as a whole, and remarks that are no faults.

    ``heads`` are the hashes of all records, ``head`` the last of them.
    """

    batches: dict[int, BatchOutcome] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    records: int = 0
    head: str | None = None
    heads: set[str] = field(default_factory=set)

    @property
    def passed(self) -> bool:
        """Whether everything followed."""
        return not self.faults and all(batch.passed for batch in self.batches.values())


def replay_run(root: Path, only: int | None = None, workers: int | None = None, anchor: str | None = None) -> Outcome:
    """Replay the run in ``root``; with ``only`` the other batches are folded but not compared.

    ``anchor`` is a head of the journal that was kept elsewhere: the journal has to hold it.

    A long run is cut into ranges of batches for ``workers`` processes (default: one a core). Each folds the records
    before its range and compares those in it; the last one also looks at the run as a whole.
    """
    outcome = _replayed(root, only, workers)
    if fault := anchor_fault(anchor, outcome.heads):
        outcome.faults.append(fault)
    return outcome


def _replayed(root: Path, only: int | None, workers: int | None) -> Outcome:
    run = open_run(root)
    paths = run.paths
    if only is not None:
        return _share(run, (only, only + 1), whole=False)
    long = paths.journal.stat().st_size > LONG
    cuts = ranges(last_batch(paths.journal) + 1, workers or (len(os.sched_getaffinity(0)) if long else 1))
    if len(cuts) == 1:
        return _share(run, cuts[0], whole=True)
    with ProcessPoolExecutor(len(cuts), mp_context=get_context("fork")) as pool:
        shares = [pool.submit(_share, run, cut, whole=cut is cuts[-1]) for cut in cuts]
        return _merged([share.result() for share in shares], cuts)


def ranges(batches: int, workers: int) -> list[tuple[int, int]]:
    """``workers`` ranges that take equal time; the last one has no end, for batches that a driver adds meanwhile.

    A range that begins at b costs FOLDING a batch before b and 1 a batch in it, the last one WHOLE for every batch as
    well. Equal costs T give the recursion end = start (1 - FOLDING) + T, hence, since the last range ends at
    batches (1 + WHOLE) of that measure, T = batches (1 + WHOLE) FOLDING / (1 - (1 - FOLDING)^workers).
    """
    time = batches * (1 + WHOLE) * FOLDING / (1 - (1 - FOLDING) ** workers)
    ends = [0]
    for _ in range(workers - 1):
        ends.append(round(ends[-1] * (1 - FOLDING) + time))
    starts = sorted(set(ends)) if batches > workers else [0]
    return [*pairwise(starts), (starts[-1], sys.maxsize)]


def last_batch(journal: Path) -> int:
    """The batch of the last whole record; 0 when it cannot be told."""
    with journal.open("rb") as file:
        file.seek(max(0, journal.stat().st_size - LONG))
        found = re.findall(rb'^\{"batch":(\d{1,9}),', file.read(), re.MULTILINE)
    return int(found[-1]) if found else 0


def _merged(outcomes: list[Outcome], cuts: list[tuple[int, int]]) -> Outcome:
    """Each batch from the share that compared it, the run as a whole from the last."""
    whole = outcomes[-1]
    for outcome, (start, end) in zip(outcomes[:-1], cuts, strict=False):
        own = {number: batch for number, batch in outcome.batches.items() if start <= number < end}
        whole.batches |= {number: batch for number, batch in own.items() if number in whole.batches}
    return whole


def _share(run: Run, wanted: tuple[int, int], whole: bool) -> Outcome:
    """Compare the batches from ``wanted[0]`` to before ``wanted[1]``; with ``whole`` also the run's own files."""
    outcome, collecting = Outcome(), gc.isenabled()
    # No reference cycles arise here, and the garbage collector's search for them takes a sixth of the time.
    gc.disable()
    try:
        state = _replay(run, outcome, wanted, to_the_end=whole or wanted[1] == wanted[0] + 1)
        if whole and state is not None:
            _add_run_faults(run.paths, *state, outcome)
    except JournalError as error:
        outcome.faults.append(str(error))
    finally:
        if collecting:
            gc.enable()
    return outcome


def _replay(run: Run, outcome: Outcome, wanted: tuple[int, int], to_the_end: bool) -> tuple[Replay, Derived] | None:
    """Fold all records, or those up to the end of ``wanted``; None when that could not be done."""
    paths, replay, derived = run.paths, None, None
    last = last_batch(paths.journal)
    for record in read_records(paths.journal):
        if record.batch >= wanted[1] and not to_the_end:
            break
        compared = wanted[0] <= record.batch < wanted[1]
        place = outcome.batches.setdefault(record.batch, BatchOutcome(record.batch))
        outcome.records, outcome.head = record.seq + 1, record.hash
        outcome.heads.add(record.hash)
        place.records += 1
        try:
            if replay is None or derived is None:
                replay = Replay(run.campaign(), run.blobs)
                derived = Derived(paths, replay)
            if compared:
                place.faults += [_at(record, fault) for fault in replay.check(record)]
            replay.fold(record)
            if to_the_end:
                # The last batch may be planned and not committed; then the files are those of the one before.
                derived.apply(record, replaced_later=record.batch < last - 1)
            if record.type in ("slot_finished", "slot_failed"):
                ended = record.of(SlotEnded)
                place.iterations.append(ended["iteration"])
                if compared:
                    iteration = replay.history.iterations[ended["iteration"]]
                    place.faults += slot_faults(paths, replay, iteration, ended["result"])
        except IMPOSSIBLE as error:
            place.faults.append(_at(record, f"cannot be replayed: {_one_line(error)}"))
            outcome.remarks.append("nothing after this record was replayed")
            return None
    if replay is None or derived is None:
        outcome.faults.append(f"{paths.journal}: holds no record")
        return None
    return replay, derived


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
    yield from slot_folder_faults(paths, replay)
    yield from filter(None, [report_fault(paths, outcome.heads), picture_fault(paths.tree_picture)])
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
