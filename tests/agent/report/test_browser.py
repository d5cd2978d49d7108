"""The page in a real browser: no complaint, no request, tree and filters at work, hostile text dead."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.report.serve import Server
from agent.report.story import read_story
from agent.report.write import write_report
from state.journal import Journal
from state.paths import RunPaths
from tests.agent.conftest import play, write_campaign
from tests.agent.report.conftest import HOSTILE

playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
ONE_SLOT = {"baseline_runs": 1, "min_replicates": 0, "min_replicates_later": 0}
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser(own: str) -> str:
    """NIGHTFLY_CHROMIUM, a Chromium on the path, or playwright's own; skips where there is none."""
    named = os.environ.get("NIGHTFLY_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if named is None and not Path(own).exists():
        pytest.skip("no Chromium is installed; NIGHTFLY_CHROMIUM may name one")
    return named or own


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as play:
        # Inside a container the sandbox's system calls are often forbidden, and root may not use it at all.
        started = play.chromium.launch(
            executable_path=find_browser(play.chromium.executable_path), args=["--no-sandbox"]
        )
        yield started
        started.close()


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


@pytest.fixture(scope="module")
def address(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"file://{write_report(hostile, tmp_path_factory.mktemp('browser') / 'report.html')}"


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Page]:
    page = Page(browser, address, viewport={"width": 1300, "height": 900})
    yield page
    assert page.complaints == []
    assert page.page.evaluate("window.hacked") is None
    page.page.context.close()


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
    opened.page.evaluate("choose(6)")
    opened.page.click("#details summary:has-text('Reply')")
    shown = opened.page.evaluate("document.querySelector('#details pre:last-of-type') !== null")
    assert shown
    assert "window.hacked" in opened.page.inner_text("#details")


def test_hostile_text_is_shown_and_does_nothing(opened: Page) -> None:
    for number in (*range(1, 25), 10):
        opened.page.evaluate("id => choose(id)", number)
    assert " ".join(HOSTILE.split()) in " ".join(opened.text("#details").split())
    assert opened.page.locator("#details img, #details b, #details script").count() == 0
    # Plotly reads HTML in what it shows beside the mouse.
    label = opened.page.evaluate("treeLabel({...data.nodes[0], mutation: '<a href=\"https://x.example\">y</a>'})")
    assert "&lt;a href" in label


def test_filters_leave_what_fits_everywhere(opened: Page) -> None:
    replicates = opened.page.evaluate("data.nodes.filter((node) => node.role === 'replicate').length")
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
    runs = opened.page.evaluate("data.configs.C1.runs")
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
    opened.page.evaluate("choose(3)")
    opened.page.keyboard.press("ArrowRight")
    assert opened.text("#details h3").startswith("Run 4 ")
    opened.page.keyboard.press("ArrowLeft")
    opened.page.keyboard.press("ArrowLeft")
    assert opened.text("#details h3").startswith("Run 2 ")


def test_an_address_names_a_run(browser: Any, address: str) -> None:
    page = Page(browser, f"{address}#run=7")
    assert page.text("#details h3").startswith("Run 7 ")
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(browser: Any, address: str, scheme: str) -> None:
    page = Page(browser, address, color_scheme=scheme)
    ink, paper = page.page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert contrast(ink, paper) > 7
    assert page.complaints == []


def test_a_phone_scrolls_in_one_direction_only(browser: Any, address: str) -> None:
    looks = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    page = Page(browser, address, **looks)
    for section in ("curves", "parameters", "timeline"):
        page.see(section)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.complaints == []


def test_a_run_without_results_is_a_page_too(browser: Any, plain: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(plain, tmp_path / "run"))
    journal = root / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))
    page = Page(browser, f"file://{write_report(root)}")
    assert "Nothing has finished yet." in page.text("#tree-plot")
    assert page.complaints == []


@pytest.fixture(scope="module")
def odd_address(odd: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"file://{write_report(odd, tmp_path_factory.mktemp('browser') / 'odd.html')}"


def test_failed_and_unmeasured_runs_can_all_be_looked_at(browser: Any, odd_address: str) -> None:
    page = Page(browser, odd_address, viewport={"width": 1300, "height": 900})
    for section in ("curves", "parameters", "timeline"):
        page.see(section)
    for name in page.page.evaluate("data.metrics"):
        page.page.select_option("#par-metric", name)
        page.page.select_option("#tree-metric", name)
    for index in range(page.page.evaluate("data.keys.length")):
        page.page.select_option("#par-key", str(index))
    for number in range(1, 31):
        page.page.evaluate("id => choose(id)", number)
    assert page.complaints == []
    assert page.page.evaluate("window.hacked") is None
    page.page.evaluate("choose(1)")
    assert "out of memory: </script>" in page.text("#details")
    page.page.evaluate("choose(4)")
    assert "-3.2500" in page.text("#details")
    assert "connectivity_R2 is too low" in page.text("#details")
    page.page.evaluate("choose(data.nodes.find((node) => node.missing.V_rest_R2).id)")
    assert "onerror" in page.text("#details")
    assert "shaded" not in page.page.inner_html("#details .small-plot")


def test_a_few_wrong_runs_do_not_wash_out_the_others(browser: Any, odd_address: str) -> None:
    page = Page(browser, odd_address)
    low, high = page.page.evaluate("scaleEnds('connectivity_R2')")
    values = page.page.evaluate("data.nodes.map((node) => measured(node, 'connectivity_R2'))")
    assert min(value for value in values if value is not None) == -3.25
    assert 0.8 < low < high < 1


def test_slots_that_were_begun_anew_show_each_attempt(browser: Any, odd_address: str) -> None:
    page = Page(browser, odd_address)
    page.see("timeline")
    bars = page.page.evaluate("document.getElementById('time-plot').data[0].hovertext")
    assert len(bars) == 30 + 10
    assert any(text.startswith("run 3, attempt 1, begun anew") for text in bars)
    assert any(text.startswith("run 3, attempt 2, ") for text in bars)


def test_a_difference_that_is_rounded_away_has_no_sign(opened: Page) -> None:
    shown = opened.page.evaluate("[0, 4e-5, -4e-5, 6e-5, -6e-5, -1.5].map((value) => signed(value, 4))")
    assert shown == ["0.0000", "0.0000", "0.0000", "+0.0001", "-0.0001", "-1.5000"]


def test_a_label_is_cut_between_characters(opened: Page) -> None:
    label = opened.page.evaluate("treeLabel({...data.nodes[0], mutation: 'x'.repeat(158) + '&&&'})")
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
    opened.page.evaluate("choose(23)")
    opened.page.focus("#details button:has-text('after')")
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate("document.activeElement.textContent").startswith("Run 24 ")
    opened.page.focus("#run-table button[data-node='20']")
    opened.page.keyboard.press("ArrowLeft")
    assert opened.text("#details h3").startswith("Run 23 ")
    assert opened.page.evaluate("document.activeElement.dataset.node") == "20"


def test_a_window_that_changes_leaves_plots_their_height(browser: Any, odd_address: str) -> None:
    page = Page(browser, odd_address, viewport={"width": 1300, "height": 900})
    for section in ("curves", "parameters", "timeline"):
        page.see(section)
    heights = (
        "[...document.querySelectorAll('.plot, .small-plot')]"
        ".map((plot) => plot.querySelector('.main-svg').clientHeight)"
    )
    before = page.page.evaluate(heights)
    for width in (700, 1300):
        page.page.set_viewport_size({"width": width, "height": 900})
        page.page.wait_for_function(
            "w => document.querySelector('#tree-plot .main-svg').clientWidth < w && "
            "document.querySelector('#time-plot .main-svg').clientWidth > w * 0.8",
            arg=width,
        )
        page.page.wait_for_timeout(300)
    assert page.page.evaluate(heights) == before
    assert page.page.evaluate(
        "[...document.querySelectorAll('.plot')]"
        ".every((plot) => plot.clientHeight >= plot.querySelector('.main-svg').clientHeight)"
    )
    assert page.complaints == []


def test_whatever_can_be_operated_has_a_name(opened: Page) -> None:
    nameless = opened.page.evaluate(
        """[...document.querySelectorAll("button, select, input, a[href], summary")].filter((element) =>
        element.closest(".modebar") === null && !(element.innerText || element.labels?.[0]?.innerText || "").trim())
        .map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert [html for html in nameless if "run-more" not in html] == []


def test_what_was_sent_back_and_what_was_said_first_can_be_read(opened: Page) -> None:
    opened.page.evaluate("choose(data.nodes.find((node) => node.batch === 2).id)")
    summaries = opened.page.locator("#details summary").all_inner_texts()
    assert any(text.startswith("System prompt, ") for text in summaries)
    assert any(text.startswith("Reply, sent back, ") for text in summaries)
    assert any(text.startswith("Reply, accepted, ") for text in summaries)


def test_a_lost_prompt_is_told_where_it_would_stand(browser: Any, plain: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(plain, tmp_path / "run"))
    prompt = read_story(RunPaths(root))[1].talks[-1].prompt
    (RunPaths(root).blobs / prompt).unlink()
    page = Page(browser, f"file://{write_report(root)}#run=20")
    assert "Prompt (batch): its blob is missing or damaged" in page.text("#details")
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_text_can_be_read(browser: Any, address: str, scheme: str) -> None:
    page = Page(browser, address, color_scheme=scheme)
    names = ["ink", "quiet", "accent", "good", "middle", "bad"]
    for name in names:
        for ground in ("paper", "sheet"):
            pair = page.page.evaluate(
                """(names) => names.map((name) => {
                const probe = document.body.appendChild(make("i", { style: `color: var(--${name})` }));
                const found = getComputedStyle(probe).color;
                probe.remove();
                return found;
                })""",
                [name, ground],
            )
            assert contrast(*pair) >= 4.5, (scheme, name, ground)


def test_paper_is_light_and_shows_the_whole_run(browser: Any, address: str) -> None:
    page = Page(browser, address, color_scheme="dark")
    page.page.set_viewport_size({"width": 720, "height": 1000})
    page.page.emulate_media(media="print")
    ink, paper = page.page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert luminance(ink) < 0.1
    assert luminance(paper) > 0.9
    page.until("byId('tree-plot').layout.font.color === colour('ink')")
    page.until("document.documentElement.scrollWidth <= 720")
    shown = page.page.evaluate(
        "[getComputedStyle(byId('details')).maxHeight, getComputedStyle(byId('filters')).display,"
        " getComputedStyle(document.querySelector('.wide')).overflowX]"
    )
    assert shown == ["none", "none", "visible"]


WIDTHS = (
    "[...document.querySelectorAll('.js-plotly-plot')]"
    ".map((plot) => [plot.id || plot.className, plot._fullLayout.width])"
)


def test_printing_draws_every_plot_as_wide_as_paper_and_gives_the_screen_its_own_back(
    browser: Any, address: str
) -> None:
    page = Page(browser, address, viewport={"width": 1920, "height": 900})
    page.until("document.querySelector('#details .small-plot.js-plotly-plot')")
    page.page.evaluate(f"addEventListener('beforeprint', () => {{ window.printed = {WIDTHS}; }})")
    before = dict(page.page.evaluate(WIDTHS))
    page.page.locator("#details summary", has_text="Log entry").click()
    assert len(page.page.pdf(format="A4")) > 50_000
    printed = dict(page.page.evaluate("window.printed"))
    assert len(printed) == 5
    assert set(printed.values()) == {660}
    page.until(f"Object.fromEntries({WIDTHS})['tree-plot'] === {before['tree-plot']}")
    assert before.items() <= dict(page.page.evaluate(WIDTHS)).items()
    assert page.page.is_visible("#details details[open] pre")
    assert page.complaints == []


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
        assert page.page.evaluate("data.events.at(-1).text") == "a person: pause"
        assert page.complaints == []
        page.page.context.close()
        server.shutdown()


def test_a_night_of_one_run_can_be_looked_at(browser: Any, tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "campaign.yaml", claude={"n_parallel": 1, "n_iter_block": 1}, policy=ONE_SLOT)
    play(file, tmp_path / "runs" / "surrogate", 1)
    page = Page(browser, f"file://{write_report(tmp_path / 'runs' / 'surrogate')}")
    for section in ("curves", "parameters", "timeline"):
        page.see(section)
    assert page.text("#details h3").startswith("Run 1 ")
    assert page.page.locator("#details .steps button:not([disabled])").count() == 0
    assert page.complaints == []


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two `rgb(r, g, b)` colours (WCAG 2)."""
    a, b = sorted((luminance(one), luminance(other)), reverse=True)
    return (a + 0.05) / (b + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour[4:-1].split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
