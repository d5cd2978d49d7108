"""What SIGTERM does inside and outside a training, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BODY = """
import os, signal, threading
from trainer.slot.termination import Termination
t = Termination()
with t.watched():
    {inside}
    os.kill(os.getpid(), signal.SIGTERM)
    print("wanted", t.wanted, flush=True)
    {after}
"""


def run(inside: str, after: str = "") -> tuple[int, str]:
    code = BODY.format(inside=inside, after=after)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ, cwd=ROOT
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("inside", ["pass", "t.expect(30.0)"])
def test_far_from_a_safe_point_the_process_ends_at_once(inside: str) -> None:
    assert run(inside) == (-signal.SIGTERM, "")


def test_near_a_safe_point_it_goes_on_until_there() -> None:
    assert run("t.expect(0.5)", "t.end(); print('late')") == (-signal.SIGTERM, "wanted True\n")


def test_a_second_signal_ends_it_at_once() -> None:
    code, out = run("t.expect(0.5)", "os.kill(os.getpid(), signal.SIGTERM); print('late')")
    assert (code, out) == (-signal.SIGTERM, "wanted True\n")


def test_outside_nothing_is_changed() -> None:
    from trainer.slot.termination import Termination

    before = signal.getsignal(signal.SIGTERM)
    with Termination().watched():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
