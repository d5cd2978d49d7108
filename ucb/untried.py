"""Configs that may yet lead, in the order of their means, so that a long night need not look at all of them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator


class Untried:
    """Names in the order of ``mean`` of each, which may change when a config has run again; None: it has none."""

    def __init__(self, mean: Callable[[str], float | None]) -> None:
        self._mean = mean
        self._limit: float | None = None
        self._means: dict[str, float] = {}
        self._order: list[tuple[float, str]] = []
        self._changed: dict[str, None] = {}

    def changed(self, name: str) -> None:
        """A config is new here, or has run again."""
        self._means.setdefault(name, float("-inf"))
        self._changed[name] = None

    def __contains__(self, name: object) -> bool:
        return name in self._means

    def remove(self, name: str) -> None:
        """A config is no longer untried; it need not be here."""
        if name in self._means:
            self._take_out(name)
            del self._means[name]
            self._changed.pop(name, None)

    def above(self, mean: float, limit: float) -> Iterator[str]:
        """The names with a mean of at least ``mean``; all means are made anew where ``limit`` of bad runs has moved."""
        for name in self._means if limit != self._limit else self._changed:
            self._take_out(name)
            found = self._mean(name)
            self._means[name] = float("-inf") if found is None else found
            insort(self._order, (self._means[name], name))
        self._limit = limit
        self._changed.clear()
        return (name for _, name in self._order[bisect_left(self._order, (mean, "")) :])

    def _take_out(self, name: str) -> None:
        place = bisect_left(self._order, (self._means[name], name))
        if self._order[place : place + 1] == [(self._means[name], name)]:
            del self._order[place]
