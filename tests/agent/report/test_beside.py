"""What a reader meets in a browser: two runs side by side, what is new, cues where something goes on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from agent.report.write import write_report
from state.paths import RunPaths
from tests.agent.report.browser import Page, contrast

PLOTS = ("two-plot", "curve-plot", "par-plot", "time-plot")


def test_two_runs_stand_side_by_side(opened: Page) -> None:
    opened.page.evaluate("nightfly.choose(nightfly.data.nodes.find((node) => node.changes.length).id)")
    opened.page.click("#details button:has-text('beside its parent')")
    opened.page.wait_for_selector("#two[data-drawn]")
    child = opened.page.evaluate("nightfly.data.nodes.find((node) => node.changes.length)")
    facts = opened.text("#two-facts")
    for key, old, new in child["changes"]:
        assert re.search(rf"{key.rpartition('.')[2]}\s+{re.escape(str(old))}\s+{re.escape(str(new))}", facts)
    assert f"run {child['parent']}," in facts
    opened.page.fill("#two-left", "999")
    opened.page.keyboard.press("Enter")
    assert "numbers of two runs that have finished" in opened.text("#two-facts")


def test_plots_are_drawn_though_nobody_scrolls_there(opened: Page) -> None:
    for plot in PLOTS:
        opened.until(f"document.querySelector('#{plot} .main-svg') !== null")


def test_the_filters_cover_no_heading(opened: Page) -> None:
    for width in (1300, 900, 700):
        opened.page.set_viewport_size({"width": width, "height": 700})
        for section in ("configs", "runs", "timeline"):
            opened.page.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
            opened.page.evaluate("id => { location.hash = ''; location.hash = id; }", section)
            opened.page.wait_for_timeout(100)
            under = opened.page.evaluate(
                "id => document.querySelector(`#${id} h2`).getBoundingClientRect().top >= "
                "document.getElementById('filters').getBoundingClientRect().bottom",
                section,
            )
            assert under, (width, section)


def test_what_goes_on_fades_until_its_end_is_reached(browser: Any, address: str) -> None:
    page = Page(browser, address, viewport={"width": 390, "height": 800})
    page.until("document.querySelector('#runs .wide').classList.contains('more-right')")
    page.page.evaluate("document.querySelector('#runs .wide').scrollLeft = 10000")
    page.until("!document.querySelector('#runs .wide').classList.contains('more-right')")
    assert page.page.evaluate("document.querySelector('#runs .wide').tabIndex") == 0
    page.page.context.close()


def test_the_axis_of_batches_has_only_those_that_have_been(opened: Page) -> None:
    ticks = opened.page.evaluate("document.getElementById('tree-plot').layout.xaxis.ticktext")
    assert ticks == ["root", *map(str, range(1, 7))]


def test_a_verdict_has_no_colour_of_a_status(opened: Page) -> None:
    colours = opened.page.evaluate(
        """[...document.querySelectorAll("#run-table td.falsified, #run-table td.supported")]
        .map((cell) => getComputedStyle(cell).color)"""
    )
    ink = opened.page.evaluate("getComputedStyle(document.body).color")
    assert set(colours) == {ink}


def test_a_status_can_be_read_on_the_chosen_row(opened: Page) -> None:
    opened.page.evaluate("nightfly.choose(nightfly.data.nodes.find((node) => node.status === 'converged').id)")
    colour, mixed, sheet = opened.page.evaluate(
        """(() => { const cell = document.querySelector("#run-table tr.chosen td.converged");
        const canvas = document.createElement("canvas").getContext("2d");
        canvas.fillStyle = nightfly.colour("sheet"); canvas.fillRect(0, 0, 1, 1);
        canvas.fillStyle = getComputedStyle(cell).backgroundColor; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
        return [getComputedStyle(cell).color, `rgb(${r}, ${g}, ${b})`, nightfly.colour("sheet")]; })()"""
    )
    assert mixed != sheet
    assert contrast(colour, mixed) >= 4.5


def test_what_is_new_since_the_last_look_is_marked(browser: Any, plain: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(plain, tmp_path / "run"))
    journal = RunPaths(root).journal
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    ends = [n for n, line in enumerate(lines) if b'"type":"batch_committed"' in line]
    journal.write_bytes(b"".join(lines[: ends[3] + 1]))
    address = f"file://{write_report(root, tmp_path / 'report.html')}"
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    assert not page.is_visible("#since")
    page.wait_for_timeout(5_500)
    journal.write_bytes(whole)
    write_report(root, tmp_path / "report.html")
    page.reload()
    page.wait_for_selector("#since", state="visible")
    assert "8 new runs" in page.inner_text("#since")
    marked = page.locator("#run-table td:has(.new) button").all_inner_texts()
    assert sorted(map(int, marked)) == [*range(13, 21)]
    context.close()


@pytest.mark.parametrize("width", [1400, 420])
def test_the_opening_says_why(browser: Any, address: str, width: int) -> None:
    page = Page(browser, address, viewport={"width": width, "height": 900})
    assert page.text("#details .why") == page.page.evaluate("nightfly.data.why")
    page.page.context.close()
