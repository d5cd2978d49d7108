"""The report's page in headless Chromium, as its tests see it; needs the Python package playwright."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser(own: str) -> str:
    """NIGHTFLY_CHROMIUM, a Chromium on the path, or playwright's own; skips where there is none."""
    named = os.environ.get("NIGHTFLY_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if named is None and not Path(own).exists():
        pytest.skip("no Chromium is installed; NIGHTFLY_CHROMIUM may name one")
    return named or own


class Page:
    """A report, opened; ``complaints`` are console errors, failures of the script, and requests to anywhere."""

    def __init__(self, browser: Any, address: str, **looks: Any) -> None:
        self.complaints: list[str] = []
        self.page = browser.new_context(**looks).new_page()
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda r: self._request(r.url, address.partition("#")[0]))
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready]", timeout=30_000)

    def _request(self, url: str, own: str) -> None:
        if not url.startswith(("data:", "blob:", own)):
            self.complaints.append(f"asked for {url[:200]}")

    def see(self, section: str) -> None:
        """Scroll to a section, and wait until it is drawn."""
        self.page.evaluate("id => document.getElementById(id).scrollIntoView({behavior: 'instant'})", section)
        self.page.wait_for_selector(f"#{section}[data-drawn]")

    def until(self, expression: str) -> None:
        """Wait until it is true; wait_for_function would ask for eval in the page, which the page forbids."""
        deadline = time.monotonic() + 20
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, expression
            self.page.wait_for_timeout(20)

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two `rgb(r, g, b)` colours (WCAG 2)."""
    a, b = sorted((luminance(one), luminance(other)), reverse=True)
    return (a + 0.05) / (b + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour[4:-1].split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
