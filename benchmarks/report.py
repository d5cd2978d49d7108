"""The report as a night grows: time to make the page, its size, time until a browser has drawn it.
`python -m benchmarks.report --json`; the last line is one JSON object.

Nights on the surrogate with the mocked Claude. The browser's figure is the time from the beginning of navigation to the
end of the page's own start (tree, details and list drawn, filters at work), in a new headless Chromium without caches.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from agent.claude.mock import MockLLM
from agent.night.loop import run_batch, start
from agent.night.night import open_night
from agent.report.write import write_report
from trainer.engines.inline import InlineEngine

CAMPAIGN = Path(__file__).resolve().parents[1] / "campaigns" / "surrogate.yaml"
BATCHES = (3, 25, 100, 400)


def measure(batches: list[int], folder: Path, repeats: int) -> list[dict[str, Any]]:
    """Figures at each number of batches of one growing night."""
    night = open_night(CAMPAIGN, folder / "run", dry_run=True)
    rows = []
    try:
        start(night, MockLLM())
        for batch in range(1, max(batches) + 1):
            run_batch(night, MockLLM(), InlineEngine(), lambda *_: None)
            if batch in batches:
                rows.append(_row(folder, len(night.views.tree), repeats))
                print(rows[-1], flush=True)
    finally:
        night.close()
    return rows


def _row(folder: Path, iterations: int, repeats: int) -> dict[str, Any]:
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        page = write_report(folder / "run", folder / "page.html")
        seconds.append(time.perf_counter() - began)
    ready = browse(page, repeats)
    return {
        "iterations": iterations,
        "write_s": round(statistics.median(seconds), 3),
        "page_mb": round(page.stat().st_size / 1e6, 2),
        "ready_ms": round(statistics.median(ready)) if ready else None,
        "ready_ms_all": ready,
    }


def browse(page: Path, repeats: int) -> list[int]:
    """Milliseconds to a drawn page, one a fresh browser; empty without playwright and Chromium."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    found = []
    with sync_playwright() as play:
        named = os.environ.get("NIGHTFLY_CHROMIUM") or shutil.which("chromium") or play.chromium.executable_path
        if not Path(named).exists():
            return []
        for _ in range(repeats):
            browser = play.chromium.launch(executable_path=named, args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1360, "height": 900})
            tab.goto(f"file://{page}")
            tab.wait_for_selector("html[data-ready]", timeout=60_000)
            found.append(int(tab.evaluate("document.documentElement.dataset.ready")))
            browser.close()
    return found


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(options.batches, Path(folder), options.repeats)
    if options.json:
        print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
