"""A very long night: some runs stand on the page whole, the others as a line, and a server sends the rest of them."""

from __future__ import annotations

import json
import shutil
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from agent.report import limits
from agent.report.data import page_data
from agent.report.limits import limits_of
from agent.report.serve import Server
from agent.report.shelf import Shelf
from agent.report.story import Story, read_story
from agent.report.write import write_report
from state.errors import JournalError
from state.journal import Record
from state.paths import RunPaths
from tests.agent.report.browser import Page

WHOLE = 6


@pytest.fixture(autouse=True)
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A night of more than six runs is a very long one."""
    monkeypatch.setattr(limits, "MOST_WHOLE", WHOLE)
    monkeypatch.setattr(limits, "LATEST", 3)
    monkeypatch.setattr(limits, "RUNS_OF_EACH", 1)


@pytest.fixture
def url(plain: Path) -> Iterator[str]:
    with Server(plain.parent, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{plain.name}/"
        server.shutdown()


def test_every_run_is_on_the_page_once_and_the_latest_with_their_ancestors_whole(plain: Path) -> None:
    ledger, story = read_story(RunPaths(plain))
    page = page_data(ledger, story, {}, {}, limits_of(ledger))
    whole = {node["id"]: node for node in page["nodes"]}
    brief = page["brief"]["id"]
    assert sorted([*whole, *brief]) == [*range(1, len(ledger.views.tree) + 1)]
    assert WHOLE <= len(whole) < len(whole) + len(brief)
    assert max(ledger.history.iterations) in whole
    assert {node["parent"] for node in whole.values()} - {None} <= set(whole)
    assert len({(node["x"], node["y"]) for node in whole.values()}) == len(whole)


def test_a_line_says_what_the_whole_would(plain: Path) -> None:
    ledger, story = read_story(RunPaths(plain))
    everything = {node["id"]: node for node in page_data(ledger, story, {}, {})["nodes"]}
    page = page_data(ledger, story, {}, {}, limits_of(ledger))
    brief, words = page["brief"], page["brief"]["words"]
    for place, number in enumerate(brief["id"]):
        node = everything[number]
        for name in ("parent", "ucb", "batch", "slot"):
            assert brief[name][place] == node[name]
        for name in ("role", "status", "config", "mutation", "verdict"):
            assert words[brief[name][place]] == node[name]
        assert (brief["failure"][place] == -1) == (node["failure"] is None)
        for column, value in zip(brief["metrics"], node["metrics"], strict=True):
            assert column[place] == (None if value is None else pytest.approx(value, abs=1e-4))


def test_an_ordinary_night_is_whole(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_WHOLE", 2000)
    ledger, story = read_story(RunPaths(plain))
    assert page_data(ledger, story, {}, {}, limits_of(ledger))["brief"]["id"] == []


def test_the_server_sends_the_rest_of_a_run(plain: Path, url: str) -> None:
    ledger, story = read_story(RunPaths(plain))
    everything = {node["id"]: node for node in page_data(ledger, story, {}, {})["nodes"]}
    answer = urllib.request.urlopen(f"{url}runs/1.json")
    told = json.loads(answer.read())
    assert answer.headers["Content-Type"] == "application/json"
    assert told["node"]["curve"] == everything[1]["curve"]
    assert told["node"]["entry"] == everything[1]["entry"]
    assert {talk["batch"] for talk in told["talks"]} == {0, 1}
    assert all(told["texts"][talk["prompt"]] for talk in told["talks"])
    for path in ("runs/999.json", "runs/0.json", "runs/1.json.json", "runs/-1.json"):
        with pytest.raises(HTTPError, match="404"):
            urllib.request.urlopen(url + path)


def _brief(page: Page) -> int:
    found: Any = page.page.evaluate("nightfly.data.brief.id[0]")
    return int(found)


def test_a_file_says_what_is_not_in_it(plain: Path, browser: Any, tmp_path: Path) -> None:
    page = Page(browser, f"file://{write_report(plain, tmp_path / 'report.html')}")
    page.page.evaluate("id => nightfly.choose(id)", _brief(page))
    assert "This file holds only these figures" in page.text("#details")
    assert "nightfly serve" in page.text("header")
    assert page.text("#f-count") == "20 of 20 runs"
    page.see("two")
    page.page.fill("#two-left", str(_brief(page)))
    page.page.keyboard.press("Enter")
    assert "This file holds only" in page.text("#two-facts")
    assert page.complaints == []
    page.page.context.close()


def test_a_served_page_loads_what_is_asked_for(plain: Path, browser: Any, url: str) -> None:
    page = Page(browser, url)
    number = _brief(page)
    page.page.evaluate("id => nightfly.choose(id)", number)
    page.page.wait_for_selector("#details summary:has-text('Log entry')")
    page.page.click("#details summary:has-text('Log entry')")
    assert f"## Iter {number}:" in page.text("#details")
    other = page.page.evaluate("nightfly.data.brief.id[1]")
    page.see("two")
    page.page.fill("#two-left", str(other))
    page.page.keyboard.press("Enter")
    page.page.wait_for_selector(f"#two-facts th:has-text('run {other}')")
    assert page.complaints == []
    page.page.context.close()


def test_a_page_that_was_read_on_is_the_page_that_is_read_at_once(plain: Path, tmp_path: Path) -> None:
    paths = RunPaths(tmp_path / "surrogate")
    shutil.copytree(plain, paths.root)
    lines = paths.journal.read_bytes().splitlines(keepends=True)
    shelf = Shelf(tmp_path)
    for upto in (len(lines) - 20, len(lines) - 13, len(lines)):
        paths.journal.write_bytes(b"".join(lines[:upto]) + b'{"half a li')
        assert shelf.page(paths) == Shelf(tmp_path).page(paths)


def test_of_a_growing_night_only_new_records_are_read(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = RunPaths(tmp_path / "surrogate")
    shutil.copytree(plain, paths.root)
    lines = paths.journal.read_bytes().splitlines(keepends=True)
    paths.journal.write_bytes(b"".join(lines[:-5]))
    shelf, read, apply = Shelf(tmp_path), [], Story.apply

    def counted(story: Story, record: Record) -> None:
        read.append(record.seq)
        apply(story, record)

    monkeypatch.setattr(Story, "apply", counted)
    shelf.page(paths)
    paths.journal.write_bytes(b"".join(lines))
    shelf.page(paths)
    assert read == list(range(len(lines)))
    # A journal that is another one, though longer, is read from its beginning.
    paths.journal.write_bytes(b"".join(lines[:-2]))
    shelf.page(paths)
    assert read[len(lines) :] == list(range(len(lines) - 2))


def test_a_damaged_record_is_told_and_leaves_nothing_half_read(plain: Path, tmp_path: Path) -> None:
    paths = RunPaths(tmp_path / "surrogate")
    shutil.copytree(plain, paths.root)
    lines = paths.journal.read_bytes().splitlines(keepends=True)
    paths.journal.write_bytes(b"".join(lines[:-3]))
    shelf = Shelf(tmp_path)
    shelf.page(paths)
    paths.journal.write_bytes(b"".join([*lines[:-1], lines[-1].replace(b"batch", b"botch", 1)]))
    with pytest.raises(JournalError):
        shelf.page(paths)
    paths.journal.write_bytes(b"".join(lines))
    assert shelf.page(paths) == Shelf(tmp_path).page(paths)
