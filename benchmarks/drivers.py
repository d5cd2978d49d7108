"""Starts drivers as processes of their own that have imported the program already: a start costs a fork."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

# What a driver with a real client has loaded by its first record.
PRELOADED = ("agent.cli", "agent.commands.run", "agent.claude.anthropic_api", "agent.people.display", "ucb.batch_plot")


class Drivers:
    """Starts `nightfly` processes; each leads a process group, as a driver started from a shell does."""

    def __init__(self) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(PRELOADED))

    def start(self, arguments: list[str], environment: dict[str, str]) -> Driver:
        """A driver that runs ``nightfly ARGUMENTS`` with ``environment`` added to its own, and prints nothing."""
        process = self._context.Process(target=_drive, args=(arguments, environment))
        process.start()
        return Driver(process)


class Driver:
    """A driver that was started: is it alive, wait for it, kill it with all that it has started."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    def is_alive(self) -> bool:
        """Whether it runs still."""
        return self._process.is_alive()

    def wait(self) -> None:
        """Until it has ended."""
        self._process.join()

    def kill(self) -> None:
        """SIGKILL to the driver first, then to what it has started."""
        assert self._process.pid is not None
        self._process.kill()
        with contextlib.suppress(ProcessLookupError):  # killed before it led a group: it had started nothing
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join()


def _drive(arguments: list[str], environment: dict[str, str]) -> None:
    os.setsid()
    os.environ.update(environment)
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    # Its children find the program as it was found here, whatever the folder.
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    sys.argv = ["nightfly", *arguments]
    from agent.cli import main

    main()
