"""How a command ends: code and one sentence on stderr, also where nobody takes its output any more."""

from __future__ import annotations

import contextlib
import errno
import os
import sys

# Advice for a failing disk or path; any other OSError is a bug and is shown with its traceback.
ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
    errno.EEXIST: "give a path that leads through directories only",
    errno.ENOTDIR: "give a path that leads through directories only",
    errno.ENAMETOOLONG: "give a shorter path",
}


def stop(message: str, code: int) -> None:
    """Say ``message`` and end the process with ``code``."""
    with contextlib.suppress(OSError, ValueError):
        print(f"nightfly: {message}", file=sys.stderr, flush=True)
    hang_up()
    sys.exit(code)


def hang_up() -> None:
    """Give up output that nobody takes: at its end, Python would make an exit code of its own of it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
