"""The page of runs that went wrong, have lost something, or have hardly begun."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from agent.report.story import read_story
from agent.report.write import write_report
from state.paths import RunPaths
from tests.agent.conftest import play, write_campaign
from tests.agent.report.browser import Page

ONE_SLOT = {"baseline_runs": 1, "min_replicates": 0, "min_replicates_later": 0}


def test_failed_and_unmeasured_runs_can_all_be_looked_at(browser: Any, odd_address: str) -> None:
    page = Page(browser, odd_address, viewport={"width": 1300, "height": 900})
    for section in ("curves", "parameters", "timeline"):
        page.see(section)
    for name in page.page.evaluate("nightfly.data.metrics"):
        page.page.select_option("#par-metric", name)
        page.page.select_option("#tree-metric", name)
    for index in range(page.page.evaluate("nightfly.data.keys.length")):
        page.page.select_option("#par-key", str(index))
    for number in range(1, 31):
        page.page.evaluate("id => nightfly.choose(id)", number)
    assert page.complaints == []
    assert page.page.evaluate("window.hacked") is None
    page.page.evaluate("nightfly.choose(1)")
    assert "out of memory: </script>" in page.text("#details")
    page.page.evaluate("nightfly.choose(4)")
    assert "-3.2500" in page.text("#details")
    assert "connectivity_R2 is too low" in page.text("#details")
    page.page.evaluate("nightfly.choose(nightfly.data.nodes.find((node) => node.missing.V_rest_R2).id)")
    assert "onerror" in page.text("#details")
    assert "shaded" not in page.page.inner_html("#details .small-plot")


def test_a_few_wrong_runs_do_not_wash_out_the_others(browser: Any, odd_address: str) -> None:
    page = Page(browser, odd_address)
    low, high = page.page.evaluate("nightfly.scaleEnds('connectivity_R2')")
    values = page.page.evaluate("nightfly.data.nodes.map((node) => nightfly.measured(node, 'connectivity_R2'))")
    assert min(value for value in values if value is not None) == -3.25
    assert 0.8 < low < high < 1


def test_slots_that_were_begun_anew_show_each_attempt(browser: Any, odd_address: str) -> None:
    page = Page(browser, odd_address)
    page.see("timeline")
    bars = page.page.evaluate("document.getElementById('time-plot').data[0].hovertext")
    assert len(bars) == 30 + 10
    assert any(text.startswith("run 3, attempt 1, begun anew") for text in bars)
    assert any(text.startswith("run 3, attempt 2, ") for text in bars)


def test_a_run_without_results_is_a_page_too(browser: Any, plain: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(plain, tmp_path / "run"))
    journal = root / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))
    page = Page(browser, f"file://{write_report(root)}")
    assert "Nothing has finished yet." in page.text("#tree-plot")
    assert page.complaints == []


def test_a_night_of_one_run_can_be_looked_at(browser: Any, tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "campaign.yaml", search={"n_parallel": 1, "n_iter_block": 1}, policy=ONE_SLOT)
    play(file, tmp_path / "runs" / "surrogate", 1)
    page = Page(browser, f"file://{write_report(tmp_path / 'runs' / 'surrogate')}")
    for section in ("curves", "parameters", "timeline"):
        page.see(section)
    assert page.text("#details h3").startswith("Run 1 ")
    assert page.page.locator("#details .steps button:not([disabled])").count() == 0
    assert page.complaints == []


def test_a_lost_prompt_is_told_where_it_would_stand(browser: Any, plain: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(plain, tmp_path / "run"))
    prompt = read_story(RunPaths(root))[1].talks[-1].prompt
    (RunPaths(root).blobs / prompt).unlink()
    page = Page(browser, f"file://{write_report(root)}#run=20")
    assert "Prompt (batch): its blob is missing or damaged" in page.text("#details")
    assert page.complaints == []
