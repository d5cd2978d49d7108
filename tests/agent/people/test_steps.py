"""Steps in a terminal, in a log, and where nobody can read them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.people.steps import Steps

ROOT = Path(__file__).resolve().parents[3]
NESTED = """
import time
from agent.people.steps import Steps
steps = Steps()
with steps.step("reading c.yaml"):
    steps.say("a GPU is wished for")
    with steps.step("timing a step"):
        time.sleep(1.2)
print("out")
"""


def test_a_log_gets_one_plain_line_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    steps = Steps()
    with steps.step("reading c.yaml"), steps.step("timing a step"):
        steps.say("42 ms")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "nightfly: reading c.yaml ...\nnightfly: timing a step ...\nnightfly: 42 ms\n"


@pytest.mark.parametrize("columns", [60, 80])
def test_a_terminal_gets_a_spinner_and_the_time_of_what_took_long(columns: int) -> None:
    seen = in_terminal(NESTED, columns)
    assert seen.index("reading c.yaml") < seen.index("a GPU is wished for") < seen.index("timing a step")
    assert "timing a step: 1 s" in seen
    assert "\x1b[?25h" in seen  # the cursor is back


def test_an_error_inside_leaves_the_terminal_as_it_was() -> None:
    seen = in_terminal("from agent.people.steps import Steps\nwith Steps().step('x'):\n    raise SystemExit(3)", 80)
    assert seen.rstrip().endswith("\x1b[?25h") or "\x1b[?25h" in seen.rpartition("x")[2]


def test_where_nobody_reads_the_work_goes_on() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", NESTED], cwd=ROOT, stderr=full, stdout=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stdout) == (0, b"out\n")


def in_terminal(code: str, columns: int) -> str:
    """What a terminal of ``columns`` columns is sent."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": str(columns), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stderr=theirs, stdout=theirs, stdin=theirs
    )
    os.close(theirs)
    seen, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other side is closed
            break
        seen += part
    os.close(ours)
    process.wait(10)
    return seen.decode(errors="replace")
