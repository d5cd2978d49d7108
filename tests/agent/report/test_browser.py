"""The page in a real browser: no complaint, no request, tree and filters at work, hostile text dead."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

from agent.report.serve import Server
from state.journal import Journal
from state.paths import RunPaths
from tests.agent.report.browser import Page
from tests.agent.report.conftest import HOSTILE


def test_every_part_is_drawn(opened: Page) -> None:
    for section in ("curves", "parameters", "timeline"):
        opened.see(section)
    for plot in ("tree", "curve", "par", "time"):
        assert opened.page.locator(f"#{plot}-plot .main-svg").count() >= 1
    assert opened.page.locator("#tree-plot .point").count() >= 24
    assert opened.page.locator("#run-table tbody tr").count() == 24
    assert opened.text("#f-count") == "24 of 24 runs"


def test_a_click_on_a_node_shows_all_that_is_known_of_it(opened: Page) -> None:
    # The third trace holds the runs; its first point is run 1.
    point = opened.page.locator("#tree-plot .scatterlayer .trace >> nth=2").locator(".point >> nth=0")
    opened.page.evaluate("document.getElementById('tree-plot').scrollIntoView({behavior: 'instant', block: 'center'})")
    box = point.bounding_box()
    at = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    opened.page.mouse.move(*at)
    opened.page.wait_for_timeout(200)
    opened.page.mouse.click(*at)
    opened.page.wait_for_selector("#details h3:has-text('Run 1 · ')")
    opened.page.click("#details summary:has-text('Log entry')")
    assert "## Iter 1:" in opened.text("#details")
    assert opened.page.evaluate("location.hash") == "#run=1"


def test_prompt_and_reply_stand_on_the_page_as_they_were_sent(opened: Page) -> None:
    opened.page.evaluate("nightfly.choose(6)")
    opened.page.click("#details summary:has-text('Reply')")
    shown = opened.page.evaluate("document.querySelector('#details pre:last-of-type') !== null")
    assert shown
    assert "window.hacked" in opened.page.inner_text("#details")


def test_hostile_text_is_shown_and_does_nothing(opened: Page) -> None:
    for number in (*range(1, 25), 10):
        opened.page.evaluate("id => nightfly.choose(id)", number)
    assert " ".join(HOSTILE.split()) in " ".join(opened.text("#details").split())
    assert opened.page.locator("#details img, #details b, #details script").count() == 0
    # Plotly reads HTML in what it shows beside the mouse.
    label = opened.page.evaluate(
        "nightfly.treeLabel({...nightfly.data.nodes[0], mutation: '<a href=\"https://x.example\">y</a>'})"
    )
    assert "&lt;a href" in label


def test_filters_leave_what_fits_everywhere(opened: Page) -> None:
    replicates = opened.page.evaluate("nightfly.data.nodes.filter((node) => node.role === 'replicate').length")
    opened.page.select_option("#f-role", "replicate")
    assert opened.text("#f-count") == f"{replicates} of 24 runs"
    assert opened.page.locator("#run-table tbody tr").count() == replicates
    faded = opened.page.evaluate(
        "document.getElementById('tree-plot').data[2].marker.opacity.filter((o) => o < 1).length"
    )
    assert faded == 24 - replicates
    opened.page.fill("#f-text", "no run says this")
    assert opened.text("#f-count") == "0 of 24 runs"
    opened.page.click("#f-clear")
    assert opened.text("#f-count") == "24 of 24 runs"


def test_a_config_of_the_table_filters_by_itself(opened: Page) -> None:
    opened.page.click("table.configs button[data-config='C1'] >> nth=0")
    runs = opened.page.evaluate("nightfly.data.configs.C1.runs")
    assert opened.text("#f-count") == f"{runs} of 24 runs"


def test_runs_are_sorted_by_any_column(opened: Page) -> None:
    values = "[...document.querySelectorAll('#run-table tbody tr')].map((row) => row.cells[4].innerText)"
    opened.page.click("#run-table th button:has-text('connectivity_R2')")
    falling = [float(text) for text in opened.page.evaluate(values) if text != "n/a"]
    assert falling == sorted(falling, reverse=True)
    opened.page.click("#run-table th button:has-text('connectivity_R2')")
    rising = list(opened.page.evaluate(values))
    known = [float(text) for text in rising if text != "n/a"]
    assert known == sorted(known)
    assert rising[len(known) :] == ["n/a"] * (len(rising) - len(known))


def test_arrow_keys_go_through_the_runs(opened: Page) -> None:
    opened.page.evaluate("nightfly.choose(3)")
    opened.page.keyboard.press("ArrowRight")
    assert opened.text("#details h3").startswith("Run 4 ")
    opened.page.keyboard.press("ArrowLeft")
    opened.page.keyboard.press("ArrowLeft")
    assert opened.text("#details h3").startswith("Run 2 ")


def test_an_address_names_a_run(browser: Any, address: str) -> None:
    page = Page(browser, f"{address}#run=7")
    assert page.text("#details h3").startswith("Run 7 ")
    assert page.complaints == []


def test_a_difference_that_is_rounded_away_has_no_sign(opened: Page) -> None:
    shown = opened.page.evaluate("[0, 4e-5, -4e-5, 6e-5, -6e-5, -1.5].map((value) => nightfly.signed(value, 4))")
    assert shown == ["0.0000", "0.0000", "0.0000", "+0.0001", "-0.0001", "-1.5000"]


def test_a_label_is_cut_between_characters(opened: Page) -> None:
    label = opened.page.evaluate("nightfly.treeLabel({...nightfly.data.nodes[0], mutation: 'x'.repeat(158) + '&&&'})")
    assert "x&amp;&amp;<br>" in label


def test_the_keyboard_walks_through_the_runs(opened: Page) -> None:
    opened.page.focus("#run-table button[data-node='7']")
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate("document.activeElement.textContent").startswith("Run 7 ")
    opened.page.focus("#details button:has-text('after')")
    for _ in range(3):
        opened.page.keyboard.press("Enter")
    assert opened.text("#details h3").startswith("Run 10 ")
    assert opened.page.evaluate("document.activeElement.textContent") == "after ›"
    assert opened.page.inner_text("#said").startswith("Run 10, ")
    opened.page.evaluate("nightfly.choose(23)")
    opened.page.focus("#details button:has-text('after')")
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate("document.activeElement.textContent").startswith("Run 24 ")
    opened.page.focus("#run-table button[data-node='20']")
    opened.page.keyboard.press("ArrowLeft")
    assert opened.text("#details h3").startswith("Run 23 ")
    assert opened.page.evaluate("document.activeElement.dataset.node") == "20"


def test_whatever_can_be_operated_has_a_name(opened: Page) -> None:
    nameless = opened.page.evaluate(
        """[...document.querySelectorAll("button, select, input, a[href], summary")].filter((element) =>
        element.closest(".modebar") === null && !(element.innerText || element.labels?.[0]?.innerText || "").trim())
        .map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert [html for html in nameless if "run-more" not in html] == []


def test_what_was_sent_back_and_what_was_said_first_can_be_read(opened: Page) -> None:
    opened.page.evaluate("nightfly.choose(nightfly.data.nodes.find((node) => node.batch === 2).id)")
    summaries = opened.page.locator("#details summary").all_inner_texts()
    assert any(text.startswith("System prompt, ") for text in summaries)
    assert any(text.startswith("Reply, sent back, ") for text in summaries)
    assert any(text.startswith("Reply, accepted, ") for text in summaries)


def test_an_open_page_tells_when_there_is_news(browser: Any, plain: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(plain, tmp_path / "runs" / "surrogate"))
    with Server(root.parent, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = Page(browser, f"http://127.0.0.1:{server.server_port}/surrogate/")
        assert not page.page.is_visible("#news")
        with Journal(RunPaths(root).journal, lambda record: None) as journal:
            journal.append("user_input_taken", 5, {"kind": "pause"})
        page.page.wait_for_selector("#news", state="visible", timeout=20_000)
        page.page.click("#news a")
        page.page.wait_for_selector("#news", state="hidden", timeout=20_000)
        page.page.wait_for_selector("html[data-ready]")
        assert page.page.evaluate("nightfly.data.events.at(-1).text") == "a person: pause"
        assert page.complaints == []
        page.page.context.close()
        server.shutdown()
