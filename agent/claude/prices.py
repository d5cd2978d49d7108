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


def table_version() -> str | None:
    """The version of the price table that is installed."""
    try:
        return version("genai-prices")
    except PackageNotFoundError:
        return None
