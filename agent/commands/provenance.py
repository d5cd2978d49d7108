"""Who drives a night, with what, and where: what `driver_started` says for the auditor."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from agent.night.night import Night
from state.evening import Budget
from state.shapes import DriverStarted
from trainer.engines.factory import find_gpus, slots_at_once

PACKAGES = (
    "anthropic",
    "genai-prices",
    "torch",
    "torch_geometric",
    "flyvis",
    "numpy",
    "optuna",
    "scipy",
    "scikit-learn",
    "pydantic",
)


def driver_facts(night: Night, prepared: dict[str, Any], budget: Budget) -> DriverStarted:
    """The data of a `driver_started`; ``prepared`` is what was found out about connectome and stimulus."""
    return {
        "version": _version("nightfly"),
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "gpus": find_gpus(),
        "torn_bytes_cut": night.journal.torn_bytes,
        "connectome": prepared,
        "budget": budget.model_dump(),
        "slots_at_once": slots_at_once(night.campaign),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    folder = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
