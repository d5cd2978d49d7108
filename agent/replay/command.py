"""`nightfly replay`: print what replaying a run found, one line a batch."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.replay.archive import opened
from agent.replay.ends import SHORTEST
from agent.replay.whole_run import BatchOutcome, Outcome, replay_run
from state.errors import RunError, UserError


def replay_command(
    run: Path,
    batch: int | None,
    retrain: int | None,
    ask: bool,
    dry_run: bool | None,
    as_json: bool,
    head: str | None = None,
) -> int:
    """Do what the options ask for; 0 when everything followed, 1 when anything did not."""
    if head is not None and not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", head):
        raise UserError(
            f"--head {head}: is no head of a journal; give {SHORTEST} to 64 digits as `nightfly anchor` does"
        )
    if ask and (batch is None or retrain is not None):
        raise UserError("--ask needs the batch whose prompt is to be sent, and no --retrain; add --batch N")
    if retrain is not None and batch is not None:
        raise UserError("--retrain trains one iteration and --batch compares one batch; give one of the two")
    with opened(run) as root:
        if retrain is not None:
            return print_retraining(root, retrain, as_json)
        if ask and batch is not None:
            return print_answers(root, batch, dry_run, as_json)
        return print_replay(root, batch, as_json, head)


def print_replay(root: Path, batch: int | None, as_json: bool, head: str | None = None) -> int:
    """Replay ``root`` and print it; ``head``, kept elsewhere, must be in its journal."""
    began = time.perf_counter()
    outcome = replay_run(root, batch, anchor=head)
    seconds = time.perf_counter() - began
    if batch is not None and batch not in outcome.batches and outcome.passed:
        raise RunError(f"{root}: has no batch {batch}; it has batches 0 to {max(outcome.batches)}")
    shown = [item for number, item in sorted(outcome.batches.items()) if batch in (None, number)]
    if as_json:
        print(json.dumps(_as_data(root, outcome, shown, seconds)))
    else:
        _print_lines(outcome, shown, seconds, everything=batch is not None)
    return 0 if outcome.passed else 1


def _print_lines(outcome: Outcome, shown: list[BatchOutcome], seconds: float, everything: bool) -> None:
    for item in shown:
        print(_line(item))
        for fault in item.faults[1:] if everything else []:
            print(f"            {fault}")
    for fault in outcome.faults:
        print(f"run         FAIL  {fault}")
    for remark in outcome.remarks:
        print(f"note: {remark}")
    failed = sum(not item.passed for item in shown) + bool(outcome.faults)
    verdict = "everything follows" if outcome.passed else f"{failed} FAILED"
    rate = len(shown) / seconds if seconds else 0.0
    print(
        f"{verdict}: {len(shown)} batches, {outcome.records} records in {seconds:.2f} s ({rate:.0f} batches/s), "
        f"journal head {(outcome.head or 'none')[:16]}"
    )


def _line(item: BatchOutcome) -> str:
    name = "start call" if item.batch == 0 else f"batch {item.batch:4d}"
    if item.faults:
        more = f" (and {len(item.faults) - 1} more)" if len(item.faults) > 1 else ""
        return f"{name}  FAIL  {item.faults[0]}{more}"
    done = sorted(item.iterations)
    return f"{name}  PASS  {item.records} records" + (f", iterations {done[0]} to {done[-1]}" if done else "")


def _as_data(root: Path, outcome: Outcome, shown: list[BatchOutcome], seconds: float) -> dict[str, Any]:
    return {
        "run": str(root),
        "passed": outcome.passed,
        "records": outcome.records,
        "head": outcome.head,
        "seconds": seconds,
        "batches": [
            {
                "batch": item.batch,
                "passed": item.passed,
                "records": item.records,
                "iterations": sorted(item.iterations),
                "faults": item.faults,
            }
            for item in shown
        ],
        "faults": outcome.faults,
        "remarks": outcome.remarks,
    }


def print_retraining(root: Path, number: int, as_json: bool) -> int:
    """Train one iteration again and print both sets of metrics."""
    from agent.replay.retrain import TOLERANCE, retrain

    done = retrain(root, number)
    if as_json:
        print(json.dumps(asdict(done) | {"passed": done.passed}))
        return 0 if done.passed else 1
    same = done.devices[0] == done.devices[1]
    where = f"on the same kind of device ({done.devices[0]}): must be equal"
    other = f"recorded on {done.devices[0]}, now on {done.devices[1]}: may differ by {TOLERANCE}"
    print(f"iteration {number}, {where if same else other}")
    for row in done.rows:
        verdict = {True: "agrees", False: "DIFFERS", None: "not compared"}[row.agrees]
        print(f"  {row.metric:18s} {_number(row.recorded):>22s} {_number(row.now):>22s}  {verdict}")
    if done.failure:
        print(f"  {done.failure}")
    print("the record is confirmed" if done.passed else "the record is NOT confirmed")
    return 0 if done.passed else 1


def print_answers(root: Path, batch: int, dry_run: bool | None, as_json: bool) -> int:
    """Ask again and print old and new proposals side by side."""
    from agent.replay.again import as_data, as_lines, ask_again, client_of

    answers = ask_again(root, batch, client_of(root, dry_run))
    print(json.dumps(as_data(answers)) if as_json else "\n".join(as_lines(answers)))
    return 0


def _number(value: float | None) -> str:
    return "missing" if value is None else repr(value)
