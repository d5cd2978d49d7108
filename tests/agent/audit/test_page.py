"""The page of an audit: everything from the log is text, findings stand at their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.audit.logs import SCORES, SOUND, replaced
from tests.agent.test_cli import here


def page(tmp_path: Path, data: bytes, *words: object) -> tuple[int, str]:
    log, out = tmp_path / "log.md", tmp_path / "page.html"
    log.write_bytes(data)
    code, _, err = here("audit", log, "--html", "--out", out, *words)
    assert err == ""
    return code, out.read_text()


def test_it_shows_tree_scores_and_each_finding_under_its_line(tmp_path: Path) -> None:
    scores = tmp_path / "scores.txt"
    scores.write_text(SCORES.replace("UCB=1.700", "UCB=1.900"))
    code, text = page(tmp_path, replaced(("Next: parent=3", "Next: parent=4")), "--ucb-scores", scores)
    assert code == 1
    assert text.count("<circle") == 6
    before, line, after = text.partition('<div id="L36" class="on-error">')
    assert line
    assert "Next: parent=4" in after[:120]
    assert "error: `Next: parent=4` in entry 3" in after[:500]
    assert '<a href="#L36">36</a>' in before
    assert "1.900" in before


def test_what_a_log_says_stays_text(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\x1b[31m</style>"
    _, text = page(tmp_path, replaced(("Mutation: seed: 7 -> 11", f"Mutation: {hostile}")))
    assert "<script" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;" in text
    assert text.count("</style>") == 1
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text


@pytest.mark.parametrize("name", ["log.md", "kept.txt", "folder"])
def test_it_is_written_over_nothing_but_such_a_page(tmp_path: Path, name: str) -> None:
    log = tmp_path / "log.md"
    log.write_text(SOUND)
    (tmp_path / "kept.txt").write_text("mine")
    (tmp_path / "folder").mkdir()
    code, _, err = here("audit", log, "--html", "--out", tmp_path / name)
    assert (code, err.count("\n")) == (2, 1)
    assert log.read_text() == SOUND
    assert (tmp_path / "kept.txt").read_text() == "mine"


def test_it_lies_here_by_default_and_may_be_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "mine.md").write_text(SOUND)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        code, out, _ = here("audit", folder / "mine.md", "--html")
        assert (code, "mine.audit.html" in out) == (0, True)
    assert (tmp_path / "mine.audit.html").is_file()
    assert [path.name for path in folder.iterdir()] == ["mine.md"]


def test_strange_trees_are_drawn(tmp_path: Path) -> None:
    pairs = (("id=4, parent=1", "id=4, parent=4"), ("id=3, parent=1", "id=3, parent=6"), ("id=6,", "id=9,"))
    _, text = page(tmp_path, replaced(*pairs))
    assert text.count("<circle") == 6
