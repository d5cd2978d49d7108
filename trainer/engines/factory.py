"""Which engine a campaign gets: on this machine GPUs found by themselves or a share of the cores, or a cluster."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Sequence

from state.campaign import Campaign
from state.engine import MOST_STACKED, CommandScheduler, EngineConfig, LsfConfig, RayConfig, Remote, SlurmConfig
from trainer.engines.contract import Dispatcher
from trainer.engines.inline import InlineEngine
from trainer.engines.local import WORKER, LocalEngine
from trainer.engines.lsf import Lsf
from trainer.engines.queued import QueuedEngine
from trainer.engines.ray import Ray
from trainer.engines.scheduler import Scheduler
from trainer.engines.shell import Shell
from trainer.engines.slurm import Slurm


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


def free_gpu_gb(gpus: list[str]) -> dict[str, float]:
    """GiB of free memory by device id, of those that nvidia-smi tells of."""
    tool = shutil.which("nvidia-smi")
    if tool is None or not gpus:
        return {}
    command = [tool, "--query-gpu=index,uuid,memory.free", "--format=csv,noheader,nounits"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    free: dict[str, float] = {}
    for line in listing.splitlines():
        index, uuid, mib = ([word.strip() for word in line.split(",")] + ["", "", ""])[:3]
        if mib.isdigit():
            free |= dict.fromkeys((index, uuid), int(mib) / 1024)
    return {gpu: free[gpu] for gpu in gpus if gpu in free}


def gpu_places(config: EngineConfig, gpus: list[str]) -> list[str]:
    """The device of each place: every GPU once, then again as often as the campaign says and free memory allows."""
    if config.slots_per_gpu == 1:
        return gpus
    free = free_gpu_gb(gpus)
    rounds = [
        [gpu for gpu in gpus if n == 0 or free.get(gpu, 0.0) >= (n + 1) * config.gpu_gb_per_slot]
        for n in range(config.slots_per_gpu)
    ]
    return [gpu for one in rounds for gpu in one]


def most_stacked(config: EngineConfig, gpus: list[str]) -> int:
    """How many slots may share a process; `auto` stacks on GPUs alone, as far as their free memory allows."""
    if isinstance(config.stack, int):
        return config.stack
    if config.stack == "off" or not gpus:
        return 1
    free = free_gpu_gb(gpus)
    fits = min(free.get(gpu, 0.0) / config.slots_per_gpu / config.gpu_gb_per_slot for gpu in gpus)
    return min(MOST_STACKED, max(1, int(fits)))


# From this extent on an iteration is long enough for a second thread to pay. Below it threads only wait for each other,
# and beside other load they do so for most of the time.
EXTENT_FOR_THREADS = 5


def most_threads(extent: int, places: int = 1) -> int:
    """CPU threads that a slot of a network of this extent may take where ``places`` run side by side."""
    return max(1, usable_cores() // places) if extent >= EXTENT_FOR_THREADS else 1


def places_and_threads(campaign: Campaign) -> tuple[int, int]:
    """Places and at most how many CPU threads each: a slot a GPU, else one a core, or as the campaign says.

    On a cluster slots at once are at most a batch, and the driver's own machine runs none of them.
    """
    config, gpus, cores = campaign.engine, find_gpus(), usable_cores()
    if config.kind != "local":
        return config.slots_at_once or campaign.search.n_parallel, config.threads_per_slot or 1
    # On the cores a stack is made only where a number asks for it, and then a place holds so many slots.
    workers = math.ceil(campaign.search.n_parallel / (config.stack if isinstance(config.stack, int) else 1))
    default = len(gpu_places(config, gpus)) if gpus else max(1, min(workers, cores))
    places = config.slots_at_once or default
    return places, config.threads_per_slot or most_threads(campaign.simulation.extent, places)


def slots_at_once(campaign: Campaign) -> int:
    """How many slots of a batch the campaign's engine runs at the same time."""
    most = campaign.search.n_parallel
    if campaign.trainer == "surrogate":
        return most
    stacked = most_stacked(campaign.engine, find_gpus()) if campaign.engine.kind == "local" else 1
    return min(most, places_and_threads(campaign)[0] * stacked)


def make_engine(campaign: Campaign, worker: Sequence[str] = WORKER) -> Dispatcher:
    """The engine that the campaign asks for. Without a GPU each slot gets cores of its own."""
    if campaign.trainer == "surrogate":
        return InlineEngine(campaign.surrogate, curves=campaign.policy.cut == "on")
    config = campaign.engine
    if config.kind == "local":
        places, threads = places_and_threads(campaign)
        gpus = gpu_places(config, find_gpus())
        cores = () if gpus else sorted(os.sched_getaffinity(0))
        stack = most_stacked(config, find_gpus())
        return LocalEngine(places=places, threads=threads, gpus=gpus, cores=cores, worker=worker, stack=stack)
    return make_queued(config, worker)


def make_scheduler(config: EngineConfig) -> tuple[Scheduler, Remote]:
    """The scheduler of a cluster and what is said about it; its section may be left out where the defaults will do."""
    if config.kind == "ray":
        ray = config.ray or RayConfig()
        return Ray(ray), ray
    if config.kind == "slurm":
        slurm = config.slurm or SlurmConfig()
        return Slurm(slurm, config.threads_per_slot, _shell(slurm)), slurm
    lsf = config.lsf or LsfConfig()
    return Lsf(lsf, config.threads_per_slot, _shell(lsf)), lsf


def make_queued(config: EngineConfig, worker: Sequence[str] = WORKER) -> QueuedEngine:
    """The engine of a cluster."""
    scheduler, remote = make_scheduler(config)
    return QueuedEngine(
        scheduler=scheduler,
        poll_interval_s=remote.poll_interval_s,
        lost_after_s=remote.lost_after_s,
        places=config.slots_at_once,
        threads=config.threads_per_slot,
        worker=(remote.python or worker[0], *worker[1:]),
    )


def _shell(config: CommandScheduler) -> Shell:
    return Shell(config.login_host, tuple(config.ssh_options), config.command_timeout_s)
