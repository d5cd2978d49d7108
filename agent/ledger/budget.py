"""When the night must end: before the next batch would break a limit, judged by what the last batches took."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.ledger.ledger import Ledger
from state.errors import ConfigError
from state.evening import Budget


def deadline(finish_by: str | None, now: datetime) -> datetime | None:
    """``finish_by`` as a moment: a full date and time, or the next HH:MM after ``now``; local time unless it says."""
    if finish_by is None:
        return None
    if len(finish_by) > 5:
        moment = datetime.fromisoformat(finish_by)
        return moment if moment.tzinfo else moment.astimezone()
    hour, minute = map(int, finish_by.split(":"))
    today = now.astimezone().replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


def frozen(budget: Budget, now: datetime) -> Budget:
    """``budget`` with its time of day made a date, so that a night resumed after midnight has the same end."""
    moment = deadline(budget.finish_by, now)
    if moment is not None and moment <= now:
        raise ConfigError(f"budget.finish_by {budget.finish_by} is past; give a later time, or leave it out")
    return budget if moment is None else budget.model_copy(update={"finish_by": moment.isoformat(timespec="seconds")})


def why_stop(ledger: Ledger, budget: Budget, now: datetime, in_hand: int = 0) -> str | None:
    """The limit that the next batch would break, as a sentence; None when there is room for it.

    ``in_hand``: batches that end before it, at ``now``; each takes as much as the last ones.
    """
    spent, committed = ledger.spending, max(ledger.history.committed, 0) + in_hand
    seconds, dollars, tokens, hours = spent.typical() or (0.0, 0.0, 0, 0.0)
    dollars, tokens, hours = dollars * (1 + in_hand), tokens * (1 + in_hand), hours * (1 + in_hand)
    if budget.max_batches is not None and committed >= budget.max_batches:
        return f"{committed} batches are committed, as asked"
    if budget.max_dollars is not None and spent.dollars + dollars > budget.max_dollars:
        return f"${spent.dollars:.2f} of ${budget.max_dollars:.2f} are spent and a batch takes about ${dollars:.2f}"
    if budget.max_tokens is not None and spent.tokens + tokens > budget.max_tokens:
        return f"{spent.tokens:,} of {budget.max_tokens:,} tokens are used and a batch takes about {tokens:,}"
    if budget.max_gpu_hours is not None and spent.gpu_hours + hours > budget.max_gpu_hours:
        left = f"{spent.gpu_hours:.2f} of {budget.max_gpu_hours:g} GPU hours are used"
        return f"{left} and a batch takes about {hours:.2f}"
    end = deadline(budget.finish_by, now)
    if end is not None and now + timedelta(seconds=seconds) > end:
        return f"it is to be finished by {end:%Y-%m-%d %H:%M} and a batch takes about {seconds / 60:.1f} min"
    return None


def batches_left(ledger: Ledger, budget: Budget, dollars: float | None, tokens: int) -> int | None:
    """Batches until a limit on batches, dollars or tokens ends the night, if one takes so much; None = none of them."""
    spent, ends = ledger.spending, []
    if budget.max_batches is not None:
        ends.append(budget.max_batches - max(ledger.history.committed, 0))
    if budget.max_dollars is not None and dollars:
        ends.append(int((budget.max_dollars - spent.dollars) / dollars))
    if budget.max_tokens is not None and tokens:
        ends.append((budget.max_tokens - spent.tokens) // tokens)
    return max(0, min(ends)) if ends else None


def budget_left(ledger: Ledger) -> str:
    """What is left, in words for the prompt; from the journal alone, so that a replay says the same."""
    budget, spent = ledger.history.budget, ledger.spending
    done, parts = ledger.history.planned, []
    if budget.max_batches is not None:
        parts.append(f"{max(0, budget.max_batches - done)} of {budget.max_batches} batches")
    if budget.max_dollars is not None:
        parts.append(f"${max(0.0, budget.max_dollars - spent.dollars):.2f} of ${budget.max_dollars:.2f}")
    if budget.max_tokens is not None:
        parts.append(f"{max(0, budget.max_tokens - spent.tokens):,} of {budget.max_tokens:,} tokens")
    if budget.max_gpu_hours is not None:
        parts.append(f"{max(0.0, budget.max_gpu_hours - spent.gpu_hours):.1f} of {budget.max_gpu_hours:g} GPU hours")
    if budget.finish_by is not None:
        parts.append(f"time until {budget.finish_by}")
    return ", ".join(parts) or "no limit on batches"
