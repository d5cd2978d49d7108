"""Work that stops now and then, so that one process can do several such works in turns. Knows nothing of training."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

T = TypeVar("T")
# Stops at each `yield`, where others have their turn; what it returns is the outcome.
Turns = Generator[None, None, T]


def within(context: Callable[[], AbstractContextManager[Any]], turns: Turns[T]) -> Turns[T]:
    """``turns`` with each of its turns inside a new ``context()``, which the turns of others are not in."""
    while True:
        with context():
            try:
                next(turns)
            except StopIteration as end:
                outcome: T = end.value
                return outcome
        yield


def outcome_of(turns: Turns[T]) -> T:
    """All turns one after the other."""
    while True:
        try:
            next(turns)
        except StopIteration as end:
            outcome: T = end.value
            return outcome
