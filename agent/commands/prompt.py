"""`nightfly prompt`: exactly what was sent about a batch, or what would be sent next. Reads files only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.briefing.context import build_context
from agent.ledger.open_run import open_run
from agent.night.ask import prompt_data
from state.errors import RunError
from state.shapes import PromptRendered, ReplyReceived

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
    run, parts = open_run(root), list[Part]()
    for record in run.records():
        if record.batch == batch and record.type == "prompt_rendered":
            parts += _parts(record.of(PromptRendered), run.blobs.text, with_system=not parts)
        elif record.batch == batch and record.type == "reply_received":
            parts.append(_received(record.of(ReplyReceived), run.blobs.text))
    if not parts:
        raise RunError(f"{root}: nothing was asked about batch {batch}; leave out --batch to see what comes next")
    return parts


def next_prompt(root: Path) -> list[Part]:
    """What the next request would hold, from the state of the journal as it is."""
    run = open_run(root)
    ledger = run.ledger()
    waiting = ledger.history.unfinished()
    if waiting:
        slots = ", ".join(str(iteration.planned.iteration) for iteration in waiting)
        raise RunError(f"{root}: the next prompt waits for iterations {slots} to finish; see --batch for past ones")
    if ledger.history.committed == ledger.history.planned:
        following = ledger.history.planned + 1
        raise RunError(f"{root}: the next prompt comes after batch {following}, which is not planned yet; see --batch")
    exchanges = ledger.history.exchanges
    if exchanges and exchanges[-1].rejected is None:
        return past_prompt(root, ledger.history.planned)
    data = prompt_data(ledger, build_context(ledger))
    return _parts(data, lambda name: run.blobs.made(name) or run.blobs.text(name), with_system=True)


def _parts(data: PromptRendered, text: Callable[[str], str], with_system: bool) -> list[Part]:
    parts = [{"title": "system", "text": text(data["system"])}] if with_system else []
    if data["images"]:
        listed = "".join(f"{name} (blob {blob})\n" for name, blob in data["images"].items())
        parts.append({"title": "pictures", "text": listed})
    return [*parts, {"title": f"prompt ({data['kind']})", "text": text(data["text"])}]


def _received(data: ReplyReceived, text: Callable[[str], str]) -> Part:
    if data["reply"] is None:
        return {"title": "no reply", "text": data["outcome"]}
    form = f", schema sent in the form {data['form']}" if "form" in data else ""
    return {"title": f"reply ({data['model']}{form})", "text": text(data["reply"])}
