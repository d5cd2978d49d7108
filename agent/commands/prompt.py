"""`nightfly prompt`: exactly what was sent about a batch, or what would be sent next. Reads files only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.briefing.context import build_context
from agent.ledger.evidence import Evidence
from agent.ledger.ledger import Ledger
from agent.night.ask import prompt_data
from state.blobs import BlobStore
from state.campaign import begun_campaign
from state.errors import RunError
from state.journal import Record, read_records
from state.paths import RunPaths

Part = dict[str, Any]


def print_prompt(root: Path, batch: int | None, as_json: bool) -> None:
    """Print the conversation about ``batch`` (0 = the start call), or the prompt that comes next."""
    parts = next_prompt(root) if batch is None else past_prompt(root, batch)
    if as_json:
        print(json.dumps({"run": str(root), "batch": batch, "parts": parts}))
        return
    for part in parts:
        print(f"=== {part['title']} ===")
        print(part["text"], end="" if part["text"].endswith("\n") else "\n")


def past_prompt(root: Path, batch: int) -> list[Part]:
    """Every prompt and reply of the conversation about ``batch``, in order."""
    blobs, parts = BlobStore(RunPaths(root).blobs), list[Part]()
    for record in _records(root):
        if record.batch == batch and record.type == "prompt_rendered":
            parts += _sent(record, blobs.text, with_system=not parts)
        elif record.batch == batch and record.type == "reply_received":
            parts.append(_received(record, blobs.text))
    if not parts:
        raise RunError(f"{root}: nothing was asked about batch {batch}; leave out --batch to see what comes next")
    return parts


def next_prompt(root: Path) -> list[Part]:
    """What the next request would hold, from the state of the journal as it is."""
    ledger = _ledger(root)
    waiting = ledger.history.unfinished()
    if waiting:
        slots = ", ".join(str(iteration.planned.iteration) for iteration in waiting)
        raise RunError(f"{root}: the next prompt waits for iterations {slots} to finish; see --batch for past ones")
    if ledger.history.committed == ledger.history.planned:
        following = ledger.history.planned + 1
        raise RunError(f"{root}: the next prompt comes after batch {following}, which is not planned yet; see --batch")
    attempts = ledger.history.attempts
    if attempts and attempts[-1].rejected is None:
        return past_prompt(root, ledger.history.planned)
    data = prompt_data(ledger, build_context(ledger))
    evidence = ledger.blobs
    assert isinstance(evidence, Evidence)
    record_like = {"kind": data["kind"], "images": data["images"], "system": data["system"], "text": data["text"]}
    return _parts(record_like, lambda name: evidence.made(name) or evidence.text(name), with_system=True)


def _ledger(root: Path) -> Ledger:
    ledger: Ledger | None = None
    evidence = Evidence(RunPaths(root).blobs)
    for record in _records(root):
        if ledger is None:
            ledger = Ledger(begun_campaign(record.data, evidence.text(record.data["campaign"])), evidence)
        ledger.fold(record)
    if ledger is None:
        raise RunError(f"{root}: its journal is empty; the run never began")
    return ledger


def _records(root: Path) -> list[Record]:
    journal = RunPaths(root).journal
    if not journal.exists():
        raise RunError(f"{root}: holds no nightfly run (no journal.jsonl); give a directory such as runs/quickstart")
    return list(read_records(journal))


def _sent(record: Record, text: Callable[[str], str], with_system: bool) -> list[Part]:
    return _parts(record.data, text, with_system)


def _parts(data: dict[str, Any], text: Callable[[str], str], with_system: bool) -> list[Part]:
    parts = [{"title": "system", "text": text(data["system"])}] if with_system else []
    if data["images"]:
        listed = "".join(f"{name} (blob {blob})\n" for name, blob in data["images"].items())
        parts.append({"title": "pictures", "text": listed})
    return [*parts, {"title": f"prompt ({data['kind']})", "text": text(data["text"])}]


def _received(record: Record, text: Callable[[str], str]) -> Part:
    if record.data["reply"] is None:
        return {"title": "no reply", "text": record.data["outcome"]}
    return {"title": f"reply ({record.data['model']})", "text": text(record.data["reply"])}
