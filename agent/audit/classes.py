"""The words that head an entry: a status of one run, or a class of several runs of one config."""

from __future__ import annotations

import re
from typing import Literal, get_args

from state.records import Status

Class = Literal["stable-robust", "robust", "partially robust", "fragile", "disqualified"]

CLASSES: tuple[Class, ...] = get_args(Class)
STATUSES: tuple[Status, ...] = get_args(Status)

# What a class is in a tree whose nodes have a status.
AS_STATUS: dict[Class, Status] = {
    "stable-robust": "converged",
    "robust": "converged",
    "partially robust": "partial",
    "fragile": "partial",
    "disqualified": "failed",
}
# As the instructions write them.
SHOWN: dict[Class, str] = {
    "stable-robust": "Stable-Robust",
    "robust": "Robust",
    "partially robust": "Partially robust",
    "fragile": "Fragile",
    "disqualified": "DISQUALIFIED",
}
_WORD = re.compile(
    r"\b(stable[-_ ]robust|partial(?:ly)?[-_ ]robust|robust|fragile|disqualified|converged|partial|failed|cut)\b",
    re.IGNORECASE,
)


def read_status(text: str) -> tuple[Status | None, Class | None]:
    """The status or the class that comes first in a header, which may be decorated; of the two at least one is None."""
    match = _WORD.search(text[:400].replace("_", "-"))
    if match is None:
        return None, None
    word = re.sub(r"[-_ ]", "-", match[1].casefold())
    if word.startswith(("partial-", "partially-")):
        return None, "partially robust"
    if word in STATUSES:
        return next(status for status in STATUSES if status == word), None
    return None, next(name for name in CLASSES if name == word)
