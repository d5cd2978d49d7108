"""Holds the files of a run against the journal: slot folders, configs, log, memory, scores, snapshots."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.ledger.ledger import Ledger
from agent.night.derived import Derived
from agent.replay.compare import first_difference, text_difference
from state.history import Iteration
from state.paths import RunPaths
from state.records import SlotResult
from ucb.log_tree import LogTree
from ucb.tree import same_tree


def slot_faults(paths: RunPaths, ledger: Ledger, iteration: Iteration, recorded: dict[str, Any]) -> Iterator[str]:
    """Where the folder of a finished iteration departs from what the journal took from it, ``recorded`` its result."""
    slot, planned, result = paths.slot(iteration.planned.iteration), iteration.planned, iteration.result
    assert result is not None
    yield from _same_bytes(slot.config, ledger.blobs.get(planned.config), "the planned config")
    job = {"run_id": iteration.run_id, "config_hash": planned.config_hash}
    stored = read_json(slot.job)
    yield from _named(slot.job, first_difference(job, {key: stored.get(key) for key in job}))
    for name, blob in iteration.artifacts.items():
        if name != "stderr":
            yield from _same_bytes(slot.root / name, ledger.blobs.get(blob), "what the journal holds of it")
    # A slot that was ended from outside may have left no result, or one that came too late to count.
    if result.failure is None and read_json(slot.result) != recorded and _result(slot.result) != result:
        made = json.loads(result.model_dump_json())
        yield from _named(slot.result, first_difference(made, read_json(slot.result)))


def config_faults(paths: RunPaths, ledger: Ledger) -> Iterator[str]:
    """The config files of the batch in hand."""
    for iteration in ledger.history.batch(ledger.history.planned):
        path = paths.config(ledger.campaign.name, iteration.planned.slot)
        yield from _same_bytes(path, ledger.blobs.get(iteration.planned.config), "the planned config")


def derived_faults(derived: Derived) -> Iterator[str]:
    """The files made from the journal: each must be what the replay makes, byte for byte."""
    for path, made in derived.contents().items():
        name, stored = path.relative_to(derived.paths.root), _read(path)
        if stored is None:
            yield f"{name} is missing; `nightfly rebuild` writes it anew"
        elif stored != made:
            yield _text_fault(made, stored, str(name))


def tree_fault(derived: Derived, ledger: Ledger) -> str | None:
    """Where the tree that analysis.md tells when read at once differs from the one that grew batch by batch.

    While it grew each node was held against the journal: see `ucb.log_tree`.
    """
    whole = LogTree(ledger.campaign.base_config().flat())
    whole.read(derived.contents()[derived.paths.log].decode("utf-8"))
    found = same_tree(whole.graph, ledger.views.tree.graph)
    return None if found is None else f"the tree of analysis.md differs from that of the journal: {found}"


def _text_fault(made: bytes, stored: bytes, name: str) -> str:
    try:
        return text_difference(made.decode("utf-8"), stored.decode("utf-8"), name) or f"{name}: differs"
    except UnicodeDecodeError as error:
        return f"{name}: byte {error.start} is not UTF-8 text; it was changed after writing"


def _same_bytes(path: Path, made: bytes, what: str) -> Iterator[str]:
    stored, name = _read(path), f"{path.parent.name}/{path.name}"
    if stored is None:
        yield f"{name} is missing; it should hold {what}"
    elif stored != made:
        place = next((n for n, (a, b) in enumerate(zip(made, stored, strict=False)) if a != b), len(made))
        yield f"{name} differs from {what} at byte {place}"


def _named(path: Path, fault: str | None) -> Iterator[str]:
    if fault is not None:
        yield f"{path.parent.name}/{path.name}: {fault}"


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty when there is none."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _result(path: Path) -> SlotResult | None:
    try:
        return SlotResult.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
