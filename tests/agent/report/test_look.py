"""How the page looks: light and dark, on a phone, in a window that changes, on paper."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.report.browser import Page, contrast, luminance


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(browser: Any, address: str, scheme: str) -> None:
    page = Page(browser, address, color_scheme=scheme)
    ink, paper = page.page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert contrast(ink, paper) > 7
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_text_can_be_read(browser: Any, address: str, scheme: str) -> None:
    page = Page(browser, address, color_scheme=scheme)
    names = ["ink", "quiet", "accent", "good", "middle", "bad"]
    for name in names:
        for ground in ("paper", "sheet"):
            pair = page.page.evaluate(
                """(names) => names.map((name) => {
                const probe = document.body.appendChild(nightfly.make("i", { style: `color: var(--${name})` }));
                const found = getComputedStyle(probe).color;
                probe.remove();
                return found;
                })""",
                [name, ground],
            )
            assert contrast(*pair) >= 4.5, (scheme, name, ground)


def test_a_phone_scrolls_in_one_direction_only(browser: Any, address: str) -> None:
    looks = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    page = Page(browser, address, **looks)
    for section in ("curves", "parameters", "timeline"):
        page.see(section)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.complaints == []


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


def test_paper_is_light_and_shows_the_whole_run(browser: Any, address: str) -> None:
    page = Page(browser, address, color_scheme="dark")
    page.page.set_viewport_size({"width": 720, "height": 1000})
    page.page.emulate_media(media="print")
    ink, paper = page.page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert luminance(ink) < 0.1
    assert luminance(paper) > 0.9
    page.until("nightfly.byId('tree-plot').layout.font.color === nightfly.colour('ink')")
    page.until("document.documentElement.scrollWidth <= 720")
    shown = page.page.evaluate(
        "[getComputedStyle(nightfly.byId('details')).maxHeight, getComputedStyle(nightfly.byId('filters')).display,"
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
    assert len(printed) == 6
    assert set(printed.values()) == {660}
    page.until(f"Object.fromEntries({WIDTHS})['tree-plot'] === {before['tree-plot']}")
    assert before.items() <= dict(page.page.evaluate(WIDTHS)).items()
    assert page.page.is_visible("#details details[open] pre")
    assert page.complaints == []
