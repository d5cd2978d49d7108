"""The head of a journal: printed, kept in a file, in git notes, and in every alarm."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.commands.anchor import anchor
from state.journal import read_records
from tests.agent.conftest import play, write_campaign
from tests.agent.test_cli import here, refusal


def test_it_is_the_hash_of_the_last_record(tmp_path: Path) -> None:
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 1)
    *_, last = read_records(night.paths.journal)
    assert anchor(tmp_path / "r")["head"] == last.hash
    code, out, _ = here("anchor", tmp_path / "r", "--out", tmp_path / "heads")
    assert code == 0
    assert out.strip().endswith(f"head {last.hash}")
    here("anchor", tmp_path / "r", "--out", tmp_path / "heads")
    assert (tmp_path / "heads").read_text().count(last.hash) == 2
    assert json.loads(here("anchor", tmp_path / "r", "--json")[1])["records"] == last.seq + 1


def test_a_file_in_the_run_proves_nothing(tmp_path: Path) -> None:
    play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 1)
    assert "lies in the run itself" in refusal("anchor", tmp_path / "r", "--out", tmp_path / "r" / "heads")


def test_git_keeps_it_in_the_notes_of_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 1)
    place = tmp_path / "repository"
    place.mkdir()
    monkeypatch.chdir(place)
    assert "git refused the note" in refusal("anchor", tmp_path / "r", "--git-notes")
    for words in (["init", "-q"], ["config", "user.email", "a@b"], ["config", "user.name", "a"]):
        subprocess.run(["git", *words], check=True)
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    assert here("anchor", tmp_path / "r", "--git-notes")[0] == 0
    note = subprocess.run(["git", "notes", "--ref=nightfly", "show"], capture_output=True, text=True, check=True)
    assert str(anchor(tmp_path / "r")["head"]) in note.stdout


def test_every_alarm_carries_it(tmp_path: Path) -> None:
    write = f"import sys; open({str(tmp_path / 'alarms')!r}, 'a').write(sys.stdin.read() + chr(10))"
    file = write_campaign(tmp_path / "c.yaml", notify={"command": [sys.executable, "-c", write]})
    assert here("run", file, "--dry-run", "--runs-dir", tmp_path, "--batches", 1)[0] == 0
    alarm = json.loads((tmp_path / "alarms").read_text().splitlines()[-1])
    assert alarm["event"] == "finished"
    assert alarm["text"].endswith(f"[journal head {anchor(tmp_path / 'surrogate')['head']}]")
