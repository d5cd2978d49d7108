"""Every page that `nightfly serve` gives, looked at by axe-core: no serious or critical fault of accessibility."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from agent.report.serve import Server

FAULTS = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
    .filter((fault) => ["serious", "critical"].includes(fault.impact))
    .map((fault) => `${fault.id}: ${fault.nodes[0].html.slice(0, 200)}`)"""
LOOKS = [
    {"viewport": {"width": 1400, "height": 900}, "color_scheme": "light"},
    {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True, "is_mobile": True},
]


@pytest.fixture(scope="module")
def axe() -> str:
    pytest.importorskip("axe_playwright_python", reason="the Python package axe-playwright-python is not installed")
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def url(plain: Path, hostile: Path, odd: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("accessible") / "runs"
    for name, run in (("plain", plain), ("hostile", hostile), ("odd", odd)):
        shutil.copytree(run, root / name)
    (root / "bad").mkdir()
    (root / "bad" / "journal.jsonl").write_text("no record\n")
    with Server(root, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("looks", LOOKS, ids=["desk", "phone"])
@pytest.mark.parametrize("path", ["/", "/-/compare", "/-/compare?a=hostile&b=bad", "/-/compare?a=plain&b=odd"])
def test_lists_and_nights_side_by_side(browser: Any, axe: str, url: str, path: str, looks: dict[str, Any]) -> None:
    page = browser.new_context(**looks).new_page()
    page.goto(url + path)
    assert found(page, axe) == []


@pytest.mark.parametrize("looks", LOOKS, ids=["desk", "phone"])
@pytest.mark.parametrize("name", ["hostile", "odd"])
def test_a_report_with_all_that_can_be_opened(
    browser: Any, axe: str, url: str, name: str, looks: dict[str, Any]
) -> None:
    page = browser.new_context(**looks).new_page()
    page.goto(f"{url}/{name}/")
    page.wait_for_selector("html[data-ready]")
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    for section in ("two", "curves", "parameters", "timeline"):
        page.evaluate("id => document.getElementById(id).scrollIntoView({behavior: 'instant'})", section)
        page.wait_for_selector(f"#{section}[data-drawn]")
    assert found(page, axe) == []


def found(page: Any, axe: str) -> list[str]:
    """What axe-core finds on the page as it stands, each with the first element that has the fault."""
    page.evaluate(axe)
    faults: list[str] = page.evaluate(FAULTS)
    page.context.close()
    return faults
