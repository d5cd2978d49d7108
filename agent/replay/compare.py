"""Finds the first place where two values, texts or files differ and says it in one sentence."""

from __future__ import annotations

from typing import Any

from state.files import canonical_json

SHOWN = 120


def first_difference(made: Any, stored: Any, place: str = "") -> str | None:
    """Where ``stored`` departs from ``made``, as a sentence; None when they are equal."""
    if not place and canonical_json(made) == canonical_json(stored):
        return None
    if isinstance(made, dict) and isinstance(stored, dict):
        for key in dict.fromkeys([*made, *stored]):
            where = f"{place}.{key}" if place else str(key)
            if key not in stored:
                return f"{where} is missing; the replay gives {_short(made[key])}"
            if key not in made:
                return f"{where} = {_short(stored[key])} is recorded; the replay gives nothing of that name"
            if (found := first_difference(made[key], stored[key], where)) is not None:
                return found
        return None
    if isinstance(made, list) and isinstance(stored, list) and len(made) == len(stored):
        faults = (first_difference(a, b, f"{place}[{n}]") for n, (a, b) in enumerate(zip(made, stored, strict=True)))
        return next((fault for fault in faults if fault is not None), None)
    if made == stored and isinstance(made, bool) == isinstance(stored, bool):
        return None
    return f"{place}: recorded {_short(stored)}, the replay gives {_short(made)}"


def text_difference(made: str, stored: str, name: str) -> str | None:
    """The first line in which the file ``name`` departs from what the replay makes; None when they are equal."""
    if made == stored:
        return None
    ours, theirs = made.splitlines(keepends=True), stored.splitlines(keepends=True)
    for number, (a, b) in enumerate(zip(ours, theirs, strict=False), start=1):
        if a != b:
            return f"{name}, line {number}: holds {_short(b)}, the replay gives {_short(a)}"
    line = min(len(ours), len(theirs)) + 1
    if len(theirs) > len(ours):
        return f"{name}, line {line}: holds {_short(theirs[line - 1])}, the replay ends before it"
    return f"{name}: ends before line {line}; the replay goes on with {_short(ours[line - 1])}"


def _short(value: Any) -> str:
    text = repr(value.rstrip("\n") if isinstance(value, str) else value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
