"""`nightfly status --watch` and the driver's own screen, in terminals of 60 columns."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path

import pytest

from agent.commands.status import print_status
from tests.agent.conftest import play, write_campaign
from tests.agent.test_cli import COMMAND, ENVIRONMENT, ROOT

WIDTH, PATIENCE_S = 60, 90.0
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Screen:
    """A command in a terminal of its own, and all that it was sent."""

    def __init__(self, *words: object) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, WIDTH, 0, 0))
        environment = {key: value for key, value in ENVIRONMENT.items() if key not in ("COLUMNS", "NO_COLOR")}
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, words)], cwd=ROOT, env=environment | {"TERM": "xterm"},
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self._seen = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while part := os.read(self._ours, 65_536):
                self._seen += part

    def lines(self) -> list[str]:
        text = self._seen.decode(errors="replace").replace("\r", "\n")
        return [line for line in CONTROL.sub("", text).split("\n") if line.strip()]

    def shows(self, words: str) -> None:
        """Waits until ``words`` were shown, on however many lines."""
        end = time.monotonic() + PATIENCE_S
        while words not in " ".join(" ".join(self.lines()).split()):
            assert time.monotonic() < end, self.lines()[-30:]
            time.sleep(0.05)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


def ask(root: Path, word: str) -> None:
    subprocess.run([*COMMAND, word, str(root)], cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True)


def test_watching_begins_before_the_run_and_a_pause_is_seen_on_both_screens(tmp_path: Path) -> None:
    file, root = write_campaign(tmp_path / "c.yaml"), tmp_path / "runs" / "surrogate"
    watching = Screen("status", root, "--watch")
    watching.shows("no run yet; waiting for one to begin")
    driver = Screen("run", file, "--dry-run", "--runs-dir", tmp_path / "runs", "--batches", 100_000)
    try:
        driver.shows("time left")
        ask(root, "pause")
        driver.shows("PAUSED")
        driver.shows("go on with: nightfly resume")
        watching.shows("paused after batch")
        watching.shows("PAUSED; go on with: nightfly resume")
        ask(root, "resume")
        driver.shows("resume, as asked from another shell")
        ask(root, "stop")
        assert driver.process.wait(PATIENCE_S) == 0
        watching.shows("not running (stopped on request after batch")
        assert watching.process.wait(PATIENCE_S) == 0
        # Whether it looked while slots were at work, and so has a table, is a matter of luck.
        assert all(len(line) <= WIDTH for line in watching.lines() if line[0] in "┏┃┡│└")
        assert not any("…" in line for line in watching.lines() if "│" in line)
    finally:
        driver.close()
        watching.close()


def test_a_narrow_terminal_gets_whole_words_and_a_pipe_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 2).paths.root
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    print_status(root, as_json=False)
    piped = capsys.readouterr().out
    assert max(map(len, piped.splitlines())) > 60
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_status(root, as_json=False)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 60
    assert {word for word in shown.split() if "/" not in word} <= set(piped.split())
