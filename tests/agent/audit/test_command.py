"""The command: exit codes, one sentence for a mistake, JSON and text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.audit.findings import CODES, SEVERITIES, ranges
from tests.agent.audit.logs import SCORES, SOUND, replaced
from tests.agent.conftest import write_campaign
from tests.agent.test_cli import here


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.md"
    path.write_text(SOUND)
    return path


def test_exit_codes_tell_errors_from_their_absence(log: Path) -> None:
    code, out, _ = here("audit", log)
    assert code == 0
    assert "0 errors, 0 warnings, 0 notes" in out
    log.write_bytes(replaced(("Next: parent=3", "Next: parent=4")))
    code, out, _ = here("audit", log)
    assert code == 1
    assert "next-id-plus-one, iter 3, line 36" in out


def test_json_is_one_object_with_all_that_the_text_says(log: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.txt"
    scores.write_text(SCORES.replace("UCB=1.700", "UCB=1.900"))
    log.write_bytes(replaced(("Iter 3: converged", "Iter 3: failed"), ("parent=1 (highest", "parent=2 (highest")))
    code, out, _ = here("audit", log, "--ucb-scores", scores, "--json")
    data = json.loads(out)
    assert code == 1
    assert [(f["code"], f["iteration"], f["severity"]) for f in data["findings"]] == [
        ("status-contradicts", 3, "error"),
        ("readings-differ", None, "warning"),
    ]
    assert data["counts"] == {"error": 2, "warning": 1, "note": 0}
    (score,) = data["score_findings"]
    assert (score["code"], score["lines"]) == ("score-differs", [3])
    assert {"reading": "next-slot", "iteration": 4, "line": 38, "node": 1, "next": 2} in data["trees"]["differences"]
    assert data["scores"]["readings"][0]["reproduced"] == 1
    assert data["assumed"]["n_parallel"] == {"value": 2, "why": "from the log's batch headings"}


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"# a log without entries\n", bytes(range(256)) * 50, "é".encode("utf-16")]
)
def test_a_file_without_entries_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd"
    path.write_bytes(content)
    code, out, err = here("audit", path)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "holds no `## Iter N: status` section" in err


def test_files_that_cannot_be_read_are_one_sentence(log: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    cases = [
        (tmp_path / "missing",),
        (tmp_path,),
        (log, "--ucb-scores", tmp_path / "missing"),
        (log, "--ucb-scores", empty),
        (log, "--ucb-c", "inf"),
    ]
    for words in cases:
        code, out, err = here("audit", *words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("nightfly: ")


def test_a_campaign_beside_the_log_tells_the_batch_size_unless_an_option_does(log: Path) -> None:
    write_campaign(log.parent / "campaign.yaml", search={"n_parallel": 3, "n_iter_block": 9})
    _, out, _ = here("audit", log, "--json", "--n-iter-block", 6)
    assumed = json.loads(out)["assumed"]
    assert assumed["n_parallel"] == {"value": 3, "why": "from the campaign.yaml beside the log"}
    assert assumed["n_iter_block"] == {"value": 6, "why": "as given"}
    (log.parent / "campaign.yaml").write_text("name: [")
    assert json.loads(here("audit", log, "--json")[1])["assumed"]["n_parallel"]["value"] == 2


def test_what_a_log_says_cannot_write_to_the_terminal(log: Path) -> None:
    log.write_bytes(replaced(("Mutation: seed: 7 -> 11", "Mutation: \x1b[31mred\x07 prose")))
    _, out, _ = here("audit", log)
    assert "\x1b" not in out
    assert "\x07" not in out


def test_codes_have_severities_and_ranges_are_short() -> None:
    assert set(CODES.values()) == set(SEVERITIES)
    assert ranges([7, 1, 2, 3, 3]) == "1-3, 7"
    assert ranges([]) == ""
