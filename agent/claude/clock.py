"""When a service says that it will answer again: `retry-after`, a reset time in a header, or a time in its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# A time that is further away is no plan for a night.
LONGEST_S = 7 * 86_400.0
STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?\s*(?:Z|UTC|[+-]\d\d:?\d\d)?")
SPAN = re.compile(r"\bin (?:about )?(\d{1,5}(?:\.\d+)?) ?(second|minute|hour|day|s|min|h|d)s?\b", re.IGNORECASE)
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def named_wait_s(words: str, headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds until the time that ``headers`` (names in lower case) or ``words`` name; None when they name none."""
    now = now or datetime.now(UTC)
    found = _retry_after(headers.get("retry-after", ""), now)
    if found is None:
        resets = [_until(headers[name], now) for name in headers if _is_reset(name, headers)]
        found = max((reset for reset in resets if reset is not None), default=None)
    if found is None:
        found = _in_words(words, now)
    return None if found is None or not 0 <= found <= LONGEST_S else found


def _is_reset(name: str, headers: Mapping[str, str]) -> bool:
    """A reset time of a limit of which nothing remains; others are told as well and bar nothing."""
    left = headers.get(f"{name.removesuffix('-reset')}-remaining")
    return name.startswith("anthropic-ratelimit-") and name.endswith("-reset") and left in (None, "0")


def _retry_after(text: str, now: datetime) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(text) - now).total_seconds() if text else None
    except (ValueError, TypeError):
        return None


def _until(text: str, now: datetime) -> float | None:
    """Seconds until an ISO time; a time without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text.strip().replace("UTC", "+00:00").replace(" +", "+"))
    except ValueError:
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()


def _in_words(words: str, now: datetime) -> float | None:
    if stamp := STAMP.search(words):
        return _until(stamp[0], now)
    if span := SPAN.search(words):
        return float(span[1]) * UNITS[span[2][0].lower()]
    return None


def moment_after(seconds: float, now: datetime | None = None) -> str:
    """The time ``seconds`` from now, RFC 3339, UTC."""
    return ((now or datetime.now(UTC)) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
