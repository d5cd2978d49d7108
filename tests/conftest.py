"""What every test relies on."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Give Ctrl-C back: a shell starts what stands in the background without it, and children would never hear it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
