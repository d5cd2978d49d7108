"""The command line from outside: help that teaches, one sentence for a mistake, JSON for programs."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import typer

from agent.cli import app, main
from state.files import dump_yaml, read_yaml
from tests.agent.conftest import CAMPAIGN, play, write_campaign

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "100", "NO_COLOR": "1"}
COMMAND = [sys.executable, "-m", "agent.cli"]


def nightfly(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command to its end in a process of its own."""
    command = [*COMMAND, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT, timeout=120, check=False)


def here(*words: object) -> tuple[int, str, str]:
    """The same in this process, which spares the imports: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["nightfly", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


def refusal(*words: object) -> str:
    """The one sentence that ends the command with code 2, after the steps that it had begun."""
    code, out, err = here(*words)
    assert (code, out) == (2, ""), err
    return sentence(err)


def sentence(err: str) -> str:
    (said,) = [line for line in err.splitlines() if not line.endswith(" ...")]
    assert said.startswith("nightfly: ")
    return said


def status_of(root: Path) -> dict[str, Any]:
    code, out, err = here("status", root, "--json")
    assert code == 0, err
    value: dict[str, Any] = json.loads(out)
    return value


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), ["run", "status", "train", "nightfly run campaigns/quickstart.yaml --dry-run"]),
        (("run",), ["--dry-run", "--runs-dir", "--batches", "--new", "--on-cpu", "--json", "Ctrl-C"]),
        (("status",), ["--json", "run directory"]),
        (("train",), ["--out", "--json", "slot config"]),
    ],
)
def test_help_teaches(words: tuple[str, ...], says: list[str]) -> None:
    done = nightfly(*words, "--help")
    assert done.returncode == 0
    for word in says:
        assert word in done.stdout


def test_every_command_has_an_example_of_options_that_it_has() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert len(commands) > 20
    for name, command in commands.items():
        assert command.epilog is not None, name
        words = shlex.split(command.epilog.removeprefix("Example:"))
        assert words[:2] == ["nightfly", name]
        command.make_context(name, words[2:])


def test_the_shell_can_complete(tmp_path: Path) -> None:
    environment = ENVIRONMENT | {"_NIGHTFLY_COMPLETE": "complete_bash", "COMP_WORDS": "nightfly do", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'nightfly'; from agent.cli import main; main()"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert "doctor" in done.stdout


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("trainng", {}, "trainng is not a known key; did you mean training?"),
        ("training", {"n_epochs": 0}, "training.n_epochs is 0"),
        ("training", {"n_epoch": 2}, "did you mean n_epochs?"),
        ("explorable", {"training.n_epochs": {"chioces": [2]}}, "did you mean choices?"),
        ("explorable", {"dataset": {"choices": ["a"]}}, "explorable: dataset is protected"),
        ("search", {"n_parallel": 2, "n_iter_block": 4}, "leave no slot"),
        ("name", "a/b", "name is 'a/b'"),
    ],
)
def test_a_bad_campaign_is_one_sentence_with_file_and_key(tmp_path: Path, key: str, value: object, says: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(dump_yaml(read_yaml(CAMPAIGN) | {key: value}))
    said = refusal("run", file, "--dry-run", "--runs-dir", tmp_path / "runs")
    assert str(file) in said
    assert says in said
    assert not (tmp_path / "runs").exists()


def test_a_mistake_shows_no_traceback_from_outside_either(tmp_path: Path) -> None:
    done = nightfly("run", tmp_path / "none.yaml", "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == f"nightfly: reading {tmp_path / 'none.yaml'} ..."
    assert sentence(done.stderr).startswith(f"nightfly: {tmp_path / 'none.yaml'}: cannot be read")


def test_files_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("name: [1\n")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\x00")
    (tmp_path / "twice.yaml").write_text("name: a\nname: b\n")
    assert "line 2" in refusal("run", tmp_path / "broken.yaml", "--dry-run")
    assert "not UTF-8" in refusal("run", tmp_path / "binary.yaml", "--dry-run")
    assert "appears twice" in refusal("run", tmp_path / "twice.yaml", "--dry-run")
    assert "No such file" in refusal("run", tmp_path / "none.yaml", "--dry-run")
    assert "holds no nightfly run" in refusal("run", tmp_path)


def test_run_directories_that_cannot_be_used_are_one_sentence(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    (tmp_path / "file").write_text("x")
    (tmp_path / "runs" / "surrogate").mkdir(parents=True)
    (tmp_path / "runs" / "surrogate" / "thesis.tex").write_text("x")
    assert "is not a directory" in refusal("run", file, "--dry-run", "--runs-dir", tmp_path / "file")
    assert "directories only" in refusal("run", file, "--dry-run", "--runs-dir", tmp_path / "file" / "below")
    assert "no nightfly run" in refusal("run", file, "--dry-run", "--runs-dir", tmp_path / "runs")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "surrogate").write_text("x")
    assert "is a file" in refusal("run", file, "--dry-run", "--runs-dir", tmp_path / "taken")
    for place in (tmp_path / "none", tmp_path / "file", tmp_path / "runs" / "surrogate"):
        assert "holds no nightfly run" in refusal("status", place)


def test_train_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    (tmp_path / "slot.yaml").write_text("training: {n_epochs: 2}\n")
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "result.json").write_text("{}")
    assert "is a file" in refusal("train", tmp_path / "slot.yaml", "--out", tmp_path / "slot.yaml")
    assert "a result is already there" in refusal("train", tmp_path / "slot.yaml", "--out", tmp_path / "done")
    (tmp_path / "slot.yaml").write_text("training: {n_epoch: 2}\n")
    assert "did you mean n_epochs" in refusal("train", tmp_path / "slot.yaml", "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_run_its_continuation_and_its_status_speak_json(tmp_path: Path) -> None:
    file, runs = write_campaign(tmp_path / "c.yaml"), tmp_path / "runs"
    first = nightfly("run", file, "--dry-run", "--runs-dir", runs, "--batches", 2, "--json")
    assert first.returncode == 0
    assert json.loads(first.stdout) == {
        "run": str(runs / "surrogate"),
        "reason": "2 batches are committed, as asked",
        "batches": 2,
        "iterations": 8,
    }
    assert "batch 2 slot 3 iter 8: done" in first.stderr
    assert json.loads(here("run", runs / "surrogate", "--batches", 3, "--json")[1])["iterations"] == 12
    code, out, err = here("run", file, "--dry-run", "--runs-dir", runs, "--batches", 1, "--new", "--json")
    assert (code, json.loads(out)["run"]) == (0, str(runs / "surrogate-2"))
    assert f"nightfly run {runs / 'surrogate'}" in err
    status = status_of(runs / "surrogate")
    assert (status["committed"], status["finished"], status["driver"]) == (3, 12, None)
    assert [slot["iteration"] for slot in status["slots"]] == [9, 10, 11, 12]
    assert {"config_id", "runs", "connectivity_R2"} <= set(status["best"][0])
    words = here("status", runs / "surrogate")[1]
    assert "3 batches committed, 12 iterations finished" in words


def test_a_damaged_journal_is_one_sentence_naming_the_line(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    journal = play(file, tmp_path / "runs" / "surrogate", 1).paths.journal
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], lines[3].replace(b'"seq":3', b'"seq":4'), *lines[4:]]))
    before = journal.read_bytes()
    for words in (("status", journal.parent), ("run", file, "--dry-run", "--runs-dir", tmp_path / "runs")):
        assert f"{journal}, line 4:" in refusal(*words)
    assert journal.read_bytes() == before


def test_ctrl_c_and_TERM_stop_cleanly_and_the_night_goes_on(tmp_path: Path) -> None:
    file, runs = write_campaign(tmp_path / "c.yaml"), tmp_path / "runs"
    for number in (signal.SIGINT, signal.SIGTERM):
        command = [*COMMAND, "run", file, "--dry-run", "--runs-dir", runs, "--batches", "500", "--json"]
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        assert driver.stderr is not None
        for line in driver.stderr:
            if "done conn" in line:
                break
        status = status_of(runs / "surrogate")
        assert status["driver"]["pid"] == driver.pid
        assert "another driver is at work" in refusal("run", file, "--dry-run", "--runs-dir", runs)
        driver.send_signal(number)
        out, _ = driver.communicate(timeout=60)
        assert driver.returncode == 130
        assert json.loads(out)["reason"] == "stopped by the user"
    assert status_of(runs / "surrogate")["state"] == "not running (stopped by the user)"


def test_a_driver_killed_by_force_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    file, runs = write_campaign(tmp_path / "c.yaml"), tmp_path / "runs"
    command = [*COMMAND, "run", file, "--dry-run", "--runs-dir", runs, "--batches", "500"]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    journal, end = runs / "surrogate" / "journal.jsonl", time.monotonic() + 60
    while not (journal.exists() and journal.read_bytes().count(b"batch_committed") > 2):
        assert time.monotonic() < end
        time.sleep(0.01)
    driver.kill()
    driver.wait()
    state = status_of(runs / "surrogate")
    assert "the driver died" in state["state"]
    code, out, _ = here("run", runs / "surrogate", "--batches", state["committed"] + 1, "--json")
    assert (code, json.loads(out)["batches"]) == (0, state["committed"] + 1)


def test_a_full_disk_is_one_sentence_and_nothing_is_lost(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    root = play(file, tmp_path / "runs" / "surrogate", 1).paths.root
    lines = (root / "journal.jsonl").read_bytes().splitlines()
    full = (
        "import errno, os, sys, agent.cli, state.journal\n"
        "def fail(*_): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'the disk')\n"
        "append, left = state.journal.Journal.append, [5]\n"
        "def some(*a):\n"
        "    left[0] -= 1\n"
        "    if not left[0]: os.fsync = fail\n"
        "    return append(*a)\n"
        "state.journal.Journal.append = some\n"
        "agent.cli.main()\n"
    )
    command = [sys.executable, "-c", full, "run", str(file), "--dry-run", "--runs-dir", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("nightfly: the disk: No space left on device; free some space")
    assert "Traceback" not in done.stderr
    kept = (root / "journal.jsonl").read_bytes().splitlines()
    assert kept[: len(lines)] == lines
    assert len(kept) == len(lines) + 4
    code, out, _ = here("run", file, "--dry-run", "--runs-dir", tmp_path / "runs", "--batches", 2, "--json")
    assert (code, json.loads(out)["batches"]) == (0, 2)
