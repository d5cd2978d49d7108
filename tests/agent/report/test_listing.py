"""The list of runs in a browser: what is new appears by itself, and the reader stays where he was."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.report.listing import render_listing, run_line
from agent.report.page import badges
from agent.report.serve import Server
from agent.report.story import read_story
from state.paths import RunPaths

LOOKS = {"viewport": {"width": 390, "height": 300}}
# Whoever comes back to the page sees the present state; the interval of its clock is too long for a test.
COME_BACK = "document.dispatchEvent(new Event('visibilitychange'))"


@pytest.fixture
def server(plain: Path, tmp_path: Path) -> Iterator[Server]:
    for name in ("one", "two", "three"):
        shutil.copytree(plain, tmp_path / "runs" / name)
    with Server(tmp_path / "runs", "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    page = browser.new_context(**LOOKS).new_page()
    page.complaints = []
    page.on("console", lambda said: page.complaints.append(said.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    yield page
    page.context.close()


def test_a_new_run_appears_and_place_and_focus_stay(page: Any, server: Server) -> None:
    page.evaluate("document.querySelector('a[href=\"two/\"]').focus()")
    page.evaluate("scrollTo(0, 120); document.querySelector('.wide').scrollLeft = 90")
    shutil.copytree(server.shelf.root / "one", server.shelf.root / "four")
    page.evaluate(COME_BACK)
    page.wait_for_selector("a[href='four/']")
    where = "[scrollY, document.querySelector('.wide').scrollLeft, document.activeElement.getAttribute('href')]"
    assert page.evaluate(where) == [120, 90, "two/"]
    assert page.complaints == []


def test_a_list_that_has_not_changed_is_left_alone(page: Any) -> None:
    page.evaluate("document.querySelector('main').firstElementChild.mine = true")
    with page.expect_response("**/"):
        page.evaluate(COME_BACK)
    page.wait_for_timeout(100)
    assert page.evaluate("document.querySelector('main').firstElementChild.mine") is True


def test_a_server_that_has_ended_is_told_and_the_list_stays(page: Any) -> None:
    page.route("**/", lambda route: route.abort())
    assert page.is_hidden("#silent")
    page.evaluate(COME_BACK)
    page.wait_for_selector("#silent:not([hidden])")
    assert page.is_visible("a[href='two/']")
    page.unroute("**/")
    page.evaluate(COME_BACK)
    page.wait_for_selector("#silent", state="hidden")


def test_without_scripts_the_list_is_whole_and_never_loads_itself_anew(plain: Path) -> None:
    text = render_listing([run_line(RunPaths(plain))])
    assert 'href="surrogate/"' in text
    assert 'http-equiv="refresh"' not in text
    assert re.search(r"<noscript>.*Reload this page", text)


def test_what_kind_of_night_it_was_is_said_in_a_word_and_whole(plain: Path) -> None:
    ledger, _ = read_story(RunPaths(plain))
    assert badges(ledger) == [
        ("surrogate", "SURROGATE: no network was trained"),
        ("dry run", "dry run: mocked Claude"),
    ]
    ledger.history.dry_run, ledger.history.explorer = False, "tpe"
    (short, whole) = badges(ledger)[1]
    assert whole == f"explored by {short}"
    ledger.history.explorer = "claude"
    assert [short for short, _ in badges(ledger)] == ["surrogate"]
