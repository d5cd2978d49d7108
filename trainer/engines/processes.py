"""The process table of this machine: who lives, since when, where, and who is a worker. Read only, but for signals."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def process_start(pid: int) -> str | None:
    """When the process began, in ticks since boot (with its pid, this identifies it); None when it is not alive."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def age(start: str) -> float:
    """Seconds since a process began, from what `process_start` says of it."""
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return max(0.0, uptime - int(start) / os.sysconf("SC_CLK_TCK"))


def signal_group(pid: int, number: int) -> None:
    """Send a signal to all processes of a group that is led by ``pid``, if there are any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def device_of(pid: int) -> str | None:
    """The CUDA device that a process was pinned to; None when that cannot be read."""
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    return dict(word.partition("=")[::2] for word in words).get("CUDA_VISIBLE_DEVICES")


def find_workers(worker: str) -> dict[str, int]:
    """Folder -> pid of the process that runs ``worker`` (a word of its command) there; folders are the words behind it.

    Read from the process table, so that even a worker whose driver died before it could note anything is found. Of
    two, the younger counts: a slot that has left a process with others may have been started again.
    """
    found: dict[str, tuple[int, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                pid = int(entry.name)
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
                # A forked child has the worker's command line; only the leader of the group is the worker.
                if worker in words and os.getpgid(pid) == pid and (start := process_start(pid)) is not None:
                    for folder in words[words.index(worker) + 1 :]:
                        found[folder] = max(found.get(folder, (0, 0)), (int(start), pid))
    return {folder: pid for folder, (_, pid) in found.items()}
