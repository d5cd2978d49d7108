"""One line a batch: what Claude cost, and what the prompt cache had to do with it."""

from __future__ import annotations

from agent.ledger.ledger import Ledger
from agent.ledger.spending import cache_words
from agent.people.alarms import Say
from state.journal import Record


class Costs:
    """Looks at each new record of a ledger that has already taken it."""

    def __init__(self, ledger: Ledger, say: Say) -> None:
        self._ledger, self._say = ledger, say
        self._before = self._now()

    def _now(self) -> tuple[float, int, int, float]:
        spent = self._ledger.spending
        return spent.dollars, spent.tokens, spent.cached, spent.saved

    def __call__(self, record: Record) -> None:
        """Say what the conversation cost that has just been committed; nothing where nothing was used."""
        if record.type != "batch_committed":
            return
        now, before = self._now(), self._before
        self._before = now
        if tokens := now[1] - before[1]:
            cached = cache_words(now[2] - before[2], now[3] - before[3])
            self._say(f"batch {record.batch}: Claude took ${now[0] - before[0]:.2f}, {tokens:,} tokens{cached}")
