"""The page of a bench in a browser: drawn, with nothing to complain of and nothing asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.bench.page import render_bench
from agent.bench.summary import pairs, spread
from tests.agent.report.browser import Page, find_browser


def figures(slots: int) -> dict[str, Any]:
    curves = {"rules": [[0.3] * slots, [0.3] * (slots - 1) + [0.5]], "tpe": [[0.3] * slots, [0.3] * slots]}
    arm = {
        "changed": 1,
        "gpu_hours": 2.0,
        "paid_hours": 1.0,
        "dollars": 0.0,
        "idle": 0.1,
        "best_tried": None,
        "refused": 0.0,
    }
    return {
        "campaign": "c<script>alert(1)</script>",
        "identity": "0" * 64,
        "metric": "V_rest_R2",
        "value": "true",
        "nights": [1, 2],
        "batches": slots,
        "slots": [4 * (n + 1) for n in range(slots)],
        "baseline_slots": 4,
        "defaults": 0.3,
        "arms": {
            name: arm | {"title": name, "curves": some, "sent_back": 0.0, "best_tried": None}
            | {"by_slots": [spread(column) for column in zip(*some, strict=True)]}
            for name, some in curves.items()
        },
        "pairs": pairs({name: [curve[-1] for curve in some] for name, some in curves.items()}),
    }  # fmt: skip


@pytest.mark.parametrize("slots", [1, 5])
def test_it_is_drawn_and_asks_the_network_for_nothing(tmp_path: Path, slots: int) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    file = tmp_path / "index.html"
    file.write_text(render_bench(figures(slots)))
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=find_browser(play.chromium.executable_path), args=["--no-sandbox"]
        )
        try:
            page = Page(browser, file.as_uri())
            assert page.complaints == []
            assert page.page.locator("#curves .main-svg").count() > 0
            assert page.page.locator("#nights .scatterlayer .trace").count() == 2
            assert page.text("h1") == "Bench of c<script>alert(1)</script>"
            assert "+0.100" in page.text("table >> nth=1")
        finally:
            browser.close()
