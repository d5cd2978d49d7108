"""`nightfly report`: where it writes, what it refuses, and the copy that a driver keeps fresh."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from agent.report.story import read_story
from agent.report.write import write_report
from state.errors import JournalError, RunError
from state.journal import read_records
from state.paths import RunPaths
from tests.agent.conftest import CAMPAIGN


def copy_of(root: Path, place: Path) -> Path:
    return Path(shutil.copytree(root, place / root.name))


def test_it_is_written_into_the_run_and_links_lead_to_its_files(plain: Path, tmp_path: Path) -> None:
    root = copy_of(plain, tmp_path)
    inside = write_report(root)
    assert inside == root / "report" / "index.html"
    assert 'href="../analysis.md"' in inside.read_text()
    (tmp_path / "else").mkdir()
    outside = write_report(root, tmp_path / "else" / "page.html")
    link = f"../{root.name}/analysis.md"
    assert f'href="{link}"' in outside.read_text()
    assert (outside.parent / link).is_file()


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no nightfly run"):
        write_report(tmp_path)
    with pytest.raises(RunError, match="holds no nightfly run"):
        write_report(tmp_path / "absent")


def test_a_directory_is_no_page(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is a directory; give --out a file name"):
        write_report(plain, tmp_path)


def test_a_damaged_journal_gives_no_page_and_keeps_the_old_one(plain: Path, tmp_path: Path) -> None:
    root = copy_of(plain, tmp_path)
    page = write_report(root)
    before = page.read_bytes()
    lines = RunPaths(root).journal.read_bytes().splitlines(keepends=True)
    lines[5] = lines[5].replace(b"a", b"b", 1)
    RunPaths(root).journal.write_bytes(b"".join(lines))
    with pytest.raises(JournalError, match="line 6"):
        write_report(root)
    assert page.read_bytes() == before


def test_a_run_that_has_only_begun_has_a_page(plain: Path, tmp_path: Path) -> None:
    root = copy_of(plain, tmp_path)
    journal = RunPaths(root).journal
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))
    assert "Nothing has finished yet." in write_report(root).read_text()


def test_a_driver_leaves_a_page_of_its_last_record(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agent.cli", "run", str(CAMPAIGN), "--dry-run", "--batches", "2"]
    subprocess.run([*command, "--runs-dir", str(tmp_path)], check=True, capture_output=True, timeout=120)
    root = tmp_path / "surrogate"
    *_, last = read_records(RunPaths(root).journal)
    assert f'"head":"{last.hash}"' in RunPaths(root).report.read_text()


def test_lost_prompts_replies_and_memory_are_told_on_the_page(plain: Path, tmp_path: Path) -> None:
    root = copy_of(plain, tmp_path)
    ledger, story = read_story(RunPaths(root))
    lost = {name for talk in story.talks for name in (talk.system, talk.prompt, talk.reply) if name}
    lost.add(ledger.history.memory)
    for name in lost:
        (RunPaths(root).blobs / name).unlink()
    page = write_report(root).read_text()
    assert f"whose blobs are missing or damaged: {len(lost) - 1}." in page
    assert "The text of the memory is lost." in page
    assert "Nothing is noted" not in page
    (RunPaths(root).blobs / min(lost)).write_text("something else")
    assert f"whose blobs are missing or damaged: {len(lost) - 1}." in write_report(root).read_text()


def test_a_run_without_its_campaign_is_one_sentence(plain: Path, tmp_path: Path) -> None:
    root = copy_of(plain, tmp_path)
    first, *_ = read_records(RunPaths(root).journal)
    (RunPaths(root).blobs / first.data["campaign"]).unlink()
    with pytest.raises(RunError, match="the blob is missing; restore it from a backup"):
        write_report(root)


@pytest.mark.parametrize("name", ["a run #1?", "javascript:alert(1)", "100%25", 'a&b"c'])
def test_links_lead_into_folders_of_any_name(plain: Path, tmp_path: Path, name: str) -> None:
    root = Path(shutil.copytree(plain, tmp_path / name))
    page = write_report(root, tmp_path / "page.html").read_text()
    link = html.unescape(re.search(r'href="([^"]*analysis\.md)"', page)[1])  # type: ignore[index]
    address = urlsplit(urljoin((tmp_path / "page.html").as_uri(), link))
    assert (address.scheme, address.query, address.fragment) == ("file", "", "")
    assert Path(unquote(address.path)) == root / "analysis.md"
