"""What a person sees while a night runs: a live table in a terminal, plain lines anywhere else."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from agent.night.inbox import KINDS
from agent.night.night import Night
from agent.people.progress import SlotProgress, in_hand
from agent.people.slot_table import duration, show, slot_table
from state.history import History, Iteration
from state.journal import Record
from state.metrics import METRICS, traced
from state.shapes import UserInputTaken

REFRESH_S = 0.5
LINE_S = 10.0


class Display:
    """Watches one night. ``batches`` is where it will end, None when nothing ends it.

    Where it can no longer write (a closed pipe, a full disk, a terminal that is gone) it falls silent, tells ``lost``
    why, once, and the night goes on.
    """

    def __init__(self, batches: int | None, console: Console | None = None) -> None:
        self.batches = batches
        self.lost: Callable[[str], None] = lambda why: None
        self._silent = False
        self.console = console or Console(stderr=True)
        self._live: Live | None = None
        self._last = 0.0
        self._told: dict[int, str] = {}
        self._began = time.monotonic()
        self._batches_done_at_start: int | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            # Drawn by `watch` alone: a thread of its own could not say that the terminal is gone.
            self._live = Live(console=self.console, auto_refresh=False, transient=False)
            self._write(self._live.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._write(self._live.stop)

    def say(self, text: str) -> None:
        """One line that stays."""
        self._write(lambda: self.console.print(Text(text), soft_wrap=True))

    def _write(self, write: Callable[[], object]) -> None:
        if self._silent:
            return
        try:
            write()
        # A closed file raises ValueError; for a closed pipe the library of the display would end the program.
        except (OSError, ValueError, SystemExit) as error:
            self._silent = True
            why = "nobody reads it" if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
            self.lost(f"the display has fallen silent ({why}); the night goes on")

    def watch(self, night: Night, waiting: list[Iteration]) -> None:
        """Called at each poll of the engine; draws at its own pace, and at once when a batch is complete."""
        now = time.monotonic()
        if waiting and now - self._last < REFRESH_S:
            return
        self._last = now
        rows = in_hand(night.paths, night.history)
        left = self._time_left(night, rows)
        if (live := self._live) is not None:
            picture = Group(Text(self._title(night, left), style="bold"), slot_table(rows, self.console))
            self._write(lambda: live.update(picture, refresh=True))
        else:
            self._lines(night, rows, left)

    def _title(self, night: Night, left: float | None) -> str:
        history = night.history
        of = f" of {self.batches}" if self.batches else ""
        block = night.views.block(history.batch(history.planned)[0].planned.iteration).number
        title = f"{night.campaign.name}: batch {history.planned}{of}, block {block}, time left {duration(left)}"
        return f"{title}. {held}" if (held := held_back(history, night.paths.root)) else title

    def hear(self, night: Night, record: Record) -> None:
        """An observer: says what somebody has asked of the driver, and draws it, when the driver has taken it."""
        kind = record.of(UserInputTaken)["kind"] if record.type == "user_input_taken" else ""
        if kind not in KINDS:
            return
        self.say(held_back(night.history, night.paths.root) or f"{kind}, as asked from another shell")
        if self._live is not None and night.history.planned:
            self.watch(night, [])

    def _lines(self, night: Night, rows: list[SlotProgress], left: float | None) -> None:
        """One plain line when a slot changes state, and one now and then while it runs."""
        for row in rows:
            stamp = f"{row.state}/{row.stage}" if row.state != "running" else f"{int(time.monotonic() / LINE_S)}"
            if row.state != "waiting" and self._told.get(row.iteration) != stamp:
                self._told[row.iteration] = stamp
                self.say(
                    f"batch {row.ahead or night.history.planned} slot {row.slot} iter {row.iteration}: {line(row)}"
                    f" | night: {duration(left)} left"
                )

    def _time_left(self, night: Night, rows: list[SlotProgress]) -> float | None:
        """Seconds to the end of the night, from the pace of this session's slots; None while nothing is known."""
        done = [it for it in night.history.iterations.values() if it.result is not None]
        if self._batches_done_at_start is None:
            self._batches_done_at_start = len(done)
        mine, now = len(done) - self._batches_done_at_start, time.monotonic() - self._began
        if self.batches is None:
            return None
        shares = [row.step / row.total for row in rows if row.state == "running" and row.step and row.total]
        worked = mine + sum(shares)
        total = self.batches * night.campaign.search.n_parallel
        return None if worked < 0.2 else max(0.0, now / worked * (total - len(done) - sum(shares)))


def held_back(history: History, root: Path) -> str:
    """What a request from another shell keeps the driver from, and how to take it back; '' when there is none."""
    if history.asked == "pause":
        when = "PAUSED" if history.planned == history.committed else "PAUSED once this batch is done"
        return f"{when}; go on with: nightfly resume {root}"
    if history.asked == "stop":
        return f"STOPS after this batch; take it back with: nightfly resume {root}"
    return ""


def aloud(text: str, stream: TextIO) -> None:
    """One line for whoever still listens; nothing hangs on it."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=stream, flush=True)


def line(row: SlotProgress) -> str:
    """One slot as a plain line."""
    if row.state in ("failed", "cut"):
        return f"{row.state.upper()} {row.note}"
    steps = f"{row.step}/{row.total}" if row.step is not None and row.total else ""
    parts = [row.state if row.state != "running" else row.stage, row.phase, steps]
    parts += [f"{METRICS[name].short} {show(row.metrics.get(name))}" for name in traced()]
    if row.undefined:
        parts.append(f"({row.undefined})")
    if row.state == "running" and row.eta_s is not None:
        parts.append(f"{duration(row.eta_s)} left")
    return " ".join(filter(None, parts))
