"""Answers that cost seconds of training, kept in the cache until config or trainer change."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from state.config import SlotConfig
from state.errors import NightflyError
from state.files import canonical_json, read_yaml, sha256, write_atomic
from state.schema import validate


def answer(arguments: list[str], kind: str, make: Callable[[SlotConfig], Any]) -> int:
    """A command line: prints what ``make`` says of the config in the file named, or what it said before, as JSON.

    0 when it could be made, 2 and one sentence on stderr when not.
    """
    from trainer.fly.connectome import cache_folder

    path = Path(arguments[0])
    try:
        config = validate(SlotConfig, read_yaml(path), str(path))
        told = remembered(cache_folder(), kind, config.hash(), lambda: make(config))
    except NightflyError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(told, sort_keys=True))
    return 0


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
