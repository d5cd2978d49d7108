"""Says what is being done before a night, while it is done: a spinner in a terminal, plain lines anywhere else.

Speaks on stderr only. Light to import, so that the command line can speak before it loads the rest.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

# Opens a step: `with step("reading c.yaml"): ...`
Step = Callable[[str], AbstractContextManager[None]]

SHORT_S = 1.0  # a step that took no longer leaves no line in a terminal


def silently(doing: str) -> AbstractContextManager[None]:
    """A step of which nobody hears."""
    return contextlib.nullcontext()


class Steps:
    """One command's steps, one inside another where need be. Where it cannot write, it falls silent."""

    def __init__(self, silent: bool = False) -> None:
        self._live: Any = None  # rich's Progress; loaded in a terminal only
        self._silent = silent

    @contextmanager
    def step(self, doing: str) -> Iterator[None]:
        """Say ``doing`` until the block ends; the steps inside it take its place meanwhile."""
        began = time.monotonic()
        if not _spins():
            self._write(lambda: print(f"nightfly: {doing} ...", file=sys.stderr, flush=True))
            yield
            return
        with self._spinner(doing):
            yield
        took = time.monotonic() - began
        if took > SHORT_S:
            self.say(f"{doing}: {took:.0f} s")

    def say(self, text: str) -> None:
        """One line that stays."""
        if self._live is not None:
            self._write(lambda: self._live.console.print(f"nightfly: {text}", markup=False, highlight=False))
        else:
            self._write(lambda: print(f"nightfly: {text}", file=sys.stderr, flush=True))

    @contextmanager
    def _spinner(self, doing: str) -> Iterator[None]:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        outer = self._live
        if outer is not None:
            with self._row(outer, doing):
                yield
            return
        columns = SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False)
        self._live = Progress(*columns, console=Console(stderr=True), transient=True)
        self._write(self._live.start)
        try:
            with self._row(self._live, doing):
                yield
        finally:
            self._write(self._live.stop)
            self._live = None

    @contextmanager
    def _row(self, live: Any, doing: str) -> Iterator[None]:
        for task in live.tasks:
            live.update(task.id, visible=False)
        mine = live.add_task(doing, total=None)
        try:
            yield
        finally:
            live.remove_task(mine)
            for task in live.tasks[-1:]:
                live.update(task.id, visible=True)

    def _write(self, write: Callable[[], object]) -> None:
        if self._silent:
            return
        try:
            write()
        # A closed file raises ValueError; for a closed pipe rich would end the program.
        except (OSError, ValueError, SystemExit):
            self._silent = True


def _spins() -> bool:
    """Whether stderr is a terminal that can draw a line anew."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
