"""Whether the journal holds all that the rest of the run knows of: slots on disk, the report, a head kept elsewhere.

The chain of hashes shows every change in the middle; records that were dropped from its end leave a whole chain.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from agent.ledger.ledger import Ledger
from agent.replay.files import read_json
from state.paths import RunPaths, SlotPaths

HEAD = re.compile(r'"head": ?"([0-9a-f]{64})"')
SHORTEST = 16
SIGNATURE = b"\x89PNG\r\n\x1a\n"
MISSING = "the end of the journal is missing, or it was put there by hand"


def slot_folder_faults(paths: RunPaths, ledger: Ledger) -> Iterator[str]:
    """Slot folders of which no record knows: a slot is journaled before its folder is made."""
    known = ledger.history.iterations | {one.planned.iteration: one for one in ledger.history.ahead.values()}
    for folder in sorted(paths.slots.iterdir()) if paths.slots.is_dir() else ():
        number = int(folder.name) if re.fullmatch(r"[0-9]{4,9}", folder.name) else 0
        iteration = known.get(number)
        if iteration is None or not iteration.attempts:
            yield f"slots/{folder.name}: no record knows of it; {MISSING}"
            continue
        job = read_json(SlotPaths(folder).job)
        attempt = str(job.get("run_id", "")).rpartition(".a")[2]
        if attempt.isdigit() and int(attempt) > iteration.attempts:
            yield f"slots/{folder.name}/job.json: holds attempt {attempt}, which no record knows; {MISSING}"


def report_fault(paths: RunPaths, heads: set[str]) -> str | None:
    """The page names the head of the journal that it was made from."""
    try:
        found = HEAD.search(paths.report.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    if found is None or found[1] in heads:
        return None
    return f"report/index.html was made from a record ({found[1][:SHORTEST]}...) that the journal lacks; {MISSING}"


def anchor_fault(anchor: str | None, heads: set[str]) -> str | None:
    """A head that was kept elsewhere must be the hash of a record; at least SHORTEST hex digits of it are enough."""
    if anchor is None or any(head.startswith(anchor) for head in heads):
        return None
    return f"no record has the hash {anchor}: the journal was cut before it, or is another one"


def picture_fault(path: Path) -> str | None:
    """What is wrong with a PNG by its own checksums; None for a whole one and where there is none."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return None if _is_whole(data) else f"{path.name} is not whole; `nightfly rebuild` draws it anew"


def _is_whole(data: bytes) -> bool:
    place, kind = len(SIGNATURE), b""
    if not data.startswith(SIGNATURE):
        return False
    while place + 12 <= len(data) and kind != b"IEND":
        (size,) = struct.unpack(">I", data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 4 : place + 8 + size]
        if data[place + 8 + size : place + 12 + size] != struct.pack(">I", zlib.crc32(body)):
            return False
        place += 12 + size
    return kind == b"IEND" and place == len(data)
