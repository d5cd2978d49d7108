"""Picks of trained nights meet on the same new data: each distinct pick, and the defaults, once on every fresh seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from agent.bench.layout import FRESH, BenchPaths
from state.campaign import Campaign
from state.config import SlotConfig
from state.errors import RunError
from state.paths import SlotPaths
from state.records import SlotResult
from trainer.engines.contract import Ended, Job, collect
from trainer.engines.factory import make_engine

POLL_S = 0.2


def fresh_values(
    paths: BenchPaths, campaign: Campaign, configs: Iterable[SlotConfig], seeds: int, say: Callable[[str], None]
) -> dict[str, float]:
    """Identity of a config -> its primary metric, the mean over ``seeds`` data seeds that no night has seen.

    A failed run counts as 0. What was trained before is not trained again. RunError when runs were lost.
    """
    distinct = {config.identity(): config for config in configs}
    jobs = {(name, n): _job(paths, campaign, config, n) for name, config in distinct.items() for n in range(seeds)}
    missing = [job for job in jobs.values() if not SlotPaths(job.folder).result.exists()]
    ended: dict[str, SlotResult] = {}
    if missing:
        say(f"training {len(missing)} runs of the picks on fresh data")
        ended = _train(campaign, missing)
        _refuse_lost(ended)
    results = {key: ended.get(job.run_id) or collect(Ended(job, 0)) for key, job in jobs.items()}
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


def _refuse_lost(ended: dict[str, SlotResult]) -> None:
    lost = [run_id for run_id, result in ended.items() if result.failure is not None and result.failure.blameless]
    if lost:
        raise RunError(
            f"fresh/{lost[0]}: was lost through no fault of its config ({len(lost)} of {len(ended)} such runs); "
            "the same command trains what is missing"
        )


def _train(campaign: Campaign, jobs: list[Job]) -> dict[str, SlotResult]:
    engine = make_engine(campaign)
    results: dict[str, SlotResult] = {}
    try:
        running = {job.run_id for job in engine.reattach(jobs)}
        engine.submit([job for job in jobs if job.run_id not in running])
        while len(results) < len(jobs):
            results |= {one.job.run_id: collect(one) for one in engine.poll()[1]}
            time.sleep(POLL_S if len(results) < len(jobs) else 0)
    finally:
        engine.close()
    return results
