"""The shell script that a scheduler runs for one attempt, and the exit file it leaves."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from state.paths import AttemptPaths, SlotPaths
from trainer.engines.contract import Job
from trainer.engines.local import THREAD_VARIABLES

KILL_AFTER_S = 30
# Variables that a job gets from the driver's environment; API keys must not be among them.
PASSED_ON = ("NIGHTFLY_CACHE", "DATAVIS_ROOT", "FLYVIS_ROOT_DIR")
ROOT = Path(__file__).resolve().parents[2]

# `timeout` makes a process group of its own. The loop in it ends the worker when the script itself was killed; the
# script ends whatever the worker leaves behind. A signal to the script interrupts `wait`, hence the second loop.
TEMPLATE = """#!/bin/bash
# One attempt at one slot. Only the first copy that starts does anything.
mkdir {claim} 2>/dev/null || exit 0
{exports}
again=1
trap 'again=1; kill -TERM "$pid" 2>/dev/null' TERM INT
SECONDS=0
timeout -k {kill_after} {limit} bash -c {guard} $$ {worker} </dev/null >{stderr} 2>&1 &
pid=$!
while [ "$again" ]; do again=; wait "$pid"; code=$?; done
seconds=$SECONDS
kill -KILL -- "-$pid" 2>/dev/null
echo "$code $seconds" >{part}
mv {part} {exit}
"""
GUARD = '(while kill -0 "$0" 2>/dev/null; do sleep 1; done; kill -KILL 0) </dev/null >/dev/null 2>&1 & exec "$@"'


@dataclass(frozen=True)
class Exit:
    """How an attempt ended: exit code as Python counts (negative for a signal), and whether the limit ended it."""

    code: int
    timed_out: bool


def job_script(job: Job, paths: AttemptPaths, worker: Sequence[str], threads: int | None) -> str:
    """The script of one attempt; every word that comes from outside is quoted."""
    own = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    own |= dict.fromkeys(THREAD_VARIABLES, str(threads)) if threads else {}
    own["PYTHONPATH"] = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    return TEMPLATE.format(
        claim=_quoted(paths.claim),
        exports="\n".join(f"export {name}={shlex.quote(value)}" for name, value in own.items()),
        kill_after=KILL_AFTER_S,
        limit=f"{job.time_limit_s:.3f}",
        guard=shlex.quote(GUARD),
        worker=shlex.join([*worker, str(job.folder)]),
        stderr=_quoted(SlotPaths(job.folder).stderr),
        part=_quoted(paths.exit.with_suffix(".tmp")),
        exit=_quoted(paths.exit),
    )


def read_exit(paths: AttemptPaths, time_limit_s: float) -> Exit | None:
    """What the script left; None while there is nothing readable."""
    try:
        words = paths.exit.read_text(encoding="ascii").split()
        code, seconds = (int(word) for word in words)
    except (OSError, ValueError):
        return None
    # 124 = timeout sent TERM, 137 = it had to send KILL; the seconds are whole ones.
    timed_out = code in (124, 137) and seconds >= int(time_limit_s)
    return Exit(128 - code if code > 128 else code, timed_out)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
