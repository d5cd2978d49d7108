"""Which engine a campaign gets on this machine: GPUs found by themselves, else a share of the CPU cores."""

from __future__ import annotations

import os
import shutil
import subprocess

from state.campaign import Campaign
from trainer.dispatch import Dispatcher
from trainer.engines.inline import InlineEngine
from trainer.engines.local import LocalEngine


def find_gpus() -> list[str]:
    """CUDA device ids this process may use, found without importing torch; empty on a machine without any."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [part.strip() for part in visible.split(",") if part.strip() not in ("", "-1")]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        listing = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number in range(sum(line.startswith("GPU ") for line in listing.splitlines()))]


def usable_cores() -> int:
    """CPU cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def places_and_threads(campaign: Campaign) -> tuple[int, int]:
    """Slots at once and CPU threads of each: one slot a GPU, without GPUs one a core, or as the campaign says."""
    config, gpus, cores = campaign.engine, find_gpus(), usable_cores()
    places = config.slots_at_once or (len(gpus) if gpus else max(1, min(campaign.claude.n_parallel, cores)))
    return places, config.threads_per_slot or max(1, cores // places)


def make_engine(campaign: Campaign) -> Dispatcher:
    """The engine that the campaign asks for."""
    if campaign.trainer == "surrogate":
        return InlineEngine()
    places, threads = places_and_threads(campaign)
    return LocalEngine(places=places, threads=threads, gpus=find_gpus())
