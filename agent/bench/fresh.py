"""Picks of trained nights meet on the same new data: each distinct pick, and the defaults, once on every fresh seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from agent.bench.layout import FRESH, BenchPaths
from state.campaign import Campaign
from state.config import SlotConfig
from state.paths import SlotPaths
from trainer.engines.contract import Ended, Job, collect
from trainer.engines.factory import make_engine

POLL_S = 0.2


def fresh_values(
    paths: BenchPaths, campaign: Campaign, configs: Iterable[SlotConfig], seeds: int, say: Callable[[str], None]
) -> dict[str, float]:
    """Identity of a config -> its primary metric, the mean over ``seeds`` data seeds that no night has seen.

    A failed run counts as 0. What was trained before is not trained again.
    """
    distinct = {config.identity(): config for config in configs}
    jobs = {(name, n): _job(paths, campaign, config, n) for name, config in distinct.items() for n in range(seeds)}
    missing = [job for job in jobs.values() if not SlotPaths(job.folder).result.exists()]
    if missing:
        say(f"training {len(missing)} runs of the picks on fresh data")
        _train(campaign, missing)
    results = {key: collect(Ended(job, 0)) for key, job in jobs.items()}
    primary = campaign.goal.primary
    return {name: sum(results[name, n].metrics.get(primary) or 0.0 for n in range(seeds)) / seeds for name in distinct}


def _job(paths: BenchPaths, campaign: Campaign, config: SlotConfig, number: int) -> Job:
    seed = campaign.seeds.simulation_base + FRESH + number
    own = campaign.child(config, 0, {}, seed, campaign.seeds.training_base + FRESH + number)
    folder: Path = paths.fresh(f"{config.identity()}-{seed}")
    job = Job(folder.name, own.hash(), folder.resolve(), campaign.engine.time_limit_min * 60, campaign.dataset(0))
    if not SlotPaths(folder).config.exists():
        folder.mkdir(parents=True, exist_ok=True)
        job.write(own.yaml())
    return job


def _train(campaign: Campaign, jobs: list[Job]) -> None:
    engine = make_engine(campaign)
    try:
        waiting = {job.run_id for job in engine.reattach(jobs)}
        engine.submit([job for job in jobs if job.run_id not in waiting])
        waiting = {job.run_id for job in jobs}
        while waiting:
            waiting -= {one.job.run_id for one in engine.poll()[1]}
            time.sleep(POLL_S if waiting else 0)
    finally:
        engine.close()
