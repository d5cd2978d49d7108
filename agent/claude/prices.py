"""What a reply cost, from the offline table of genai-prices. An unknown model costs unknown, never nothing."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any


def price(model: str, usage: dict[str, Any]) -> float | None:
    """US dollars for ``usage`` as the API reports it (cached reads and writes at their own rates); None = unknown."""
    from genai_prices import extract_usage

    try:
        found = extract_usage({"model": model, "usage": usage}, provider_id="anthropic")
        return float(found.calc_price().total_price)
    except (LookupError, ValueError):
        return None


def saved_by_cache(model: str, usage: dict[str, Any]) -> float | None:
    """US dollars that the prompt cache saved, less what writing it cost; None = unknown, negative = it cost more."""
    plain = dict(usage)
    for name in ("cache_read_input_tokens", "cache_creation_input_tokens"):
        plain["input_tokens"] = (plain.get("input_tokens") or 0) + (plain.pop(name, 0) or 0)
    plain.pop("cache_creation", None)
    without, paid = price(model, plain), price(model, usage)
    return None if without is None or paid is None else without - paid


def table_version() -> str | None:
    """The version of the price table that is installed."""
    try:
        return version("genai-prices")
    except PackageNotFoundError:
        return None
