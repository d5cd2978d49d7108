"""What a night has used so far - batches, dollars, tokens, GPU hours, time - folded from the journal."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from state.history import History
from state.journal import Record
from state.shapes import ReplyReceived, SlotEnded, SlotStarted

KEPT = 5
TOKEN_KINDS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


@dataclass
class Spending:
    """Sums over all drivers of a run. ``unpriced`` counts replies whose cost is unknown; they are not free.

    ``cached`` are the tokens read from the prompt cache, ``saved`` the dollars that it saved.
    """

    dollars: float = 0.0
    unpriced: int = 0
    tokens: int = 0
    cached: int = 0
    saved: float = 0.0
    gpu_hours: float = 0.0
    last_time: str = ""
    _planned: str = ""
    _started: dict[int, str] = field(default_factory=dict)
    _before: tuple[float, int, float] = (0.0, 0, 0.0)
    _batches: deque[tuple[float, float, int, float]] = field(default_factory=lambda: deque(maxlen=KEPT))

    def apply(self, record: Record, history: History) -> None:
        """Take in a record that ``history`` has already taken."""
        self.last_time = record.time
        if record.type == "batch_planned":
            self._planned, self._before = record.time, (self.dollars, self.tokens, self.gpu_hours)
        elif record.type == "slot_started":
            self._started[record.of(SlotStarted)["iteration"]] = record.time
        elif record.type in ("slot_finished", "slot_failed"):
            self.gpu_hours += self._slot_hours(record, history)
        elif record.type == "reply_received":
            self._add_reply(record)
        elif record.type == "batch_committed" and self._planned:
            now = self.dollars, self.tokens, self.gpu_hours
            dollars, tokens, hours = (a - b for a, b in zip(now, self._before, strict=True))
            self._batches.append((elapsed_s(self._planned, record.time), dollars, int(tokens), hours))

    def _add_reply(self, record: Record) -> None:
        data = record.of(ReplyReceived)
        self._add(data.get("cost_usd"), data.get("usage") or {})
        self.saved += data.get("saved_usd") or 0.0
        for one in data.get("tries") or []:
            # The try that brought the reply is the reply; others may have been paid for as well.
            if one["outcome"] != "ok":
                self._add(one.get("cost_usd"), one.get("usage") or {})

    def _add(self, cost: float | None, usage: dict[str, Any]) -> None:
        self.tokens += sum(count for name, count in usage.items() if name in TOKEN_KINDS)
        self.cached += usage.get("cache_read_input_tokens") or 0
        self.dollars += cost or 0.0
        self.unpriced += cost is None and bool(usage)

    def _slot_hours(self, record: Record, history: History) -> float:
        """Hours on the device; of a slot that was ended from outside, the time since it was started."""
        data = record.of(SlotEnded)
        started = self._started.pop(data["iteration"], record.time)
        seconds: float = sum(data["result"]["seconds"].values())
        return (seconds or elapsed_s(started, record.time)) / 3600

    def minutes_since_start(self, iteration: int, now: str) -> float:
        """Minutes since the last start of an iteration that has no result; 0 where it has not been started."""
        return elapsed_s(self._started.get(iteration, now), now) / 60

    def typical(self) -> tuple[float, float, int, float] | None:
        """Median seconds, dollars, tokens and GPU hours of the last batches; None before the first is committed."""
        if not self._batches:
            return None
        seconds, dollars, tokens, hours = (median(column) for column in zip(*self._batches, strict=True))
        return seconds, dollars, int(tokens), hours


def cache_words(cached: int, saved: float) -> str:
    """`, 900 of them from the prompt cache, which saved $0.01`, or '' where the cache was of no account."""
    if not cached and not saved:
        return ""
    words = f"saved ${saved:.2f}" if saved >= 0 else f"cost ${-saved:.2f} more than it saved"
    return f", {cached:,} of them from the prompt cache, which {words}"


def elapsed_s(earlier: str, later: str) -> float:
    """Seconds between two record times; 0 when the clock was set back in between."""
    return max(0.0, (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds())
