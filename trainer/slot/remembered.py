"""Answers that cost seconds of training, kept in the cache until config or trainer change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from state.files import canonical_json, sha256, write_atomic


def remembered(folder: Path, kind: str, identity: str, make: Callable[[], Any]) -> Any:
    """The JSON answer of ``make``, or what it said before of the same ``identity`` with the same trainer's code."""
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parents[1].rglob("*.py")))
    path = folder / f"{kind}-{sha256(sources + identity.encode())[:24]}.json"
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        answer = make()
        write_atomic(path, canonical_json(answer) + "\n")
        return answer
