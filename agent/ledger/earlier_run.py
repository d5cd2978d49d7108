"""What a new run takes over from an earlier run of the same campaign: the figures of its noise, and nothing else."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from agent.ledger.open_run import open_run
from state.campaign import Campaign
from state.config import PLACE_KEYS, SEED_KEYS, Scalar, flatten
from state.errors import RunError
from state.journal import Record
from state.metrics import judged
from state.shapes import EarlierNoise
from ucb.earlier_noise import noise_data

# No night has so many iterations, each of which is offered the next data seed.
REACH = 1000


def earlier_noise(root: Path, campaign: Campaign) -> EarlierNoise:
    """The pooled noise of the run in ``root``, for a new run of ``campaign``.

    RunError when that run is of another campaign (its defaults or its trainer differ), ran on data seeds that the new
    one will be offered, or tells of no noise yet.
    """
    run = open_run(root)
    before = run.campaign()
    if (key := _other_key(before, campaign)) is not None:
        raise RunError(
            f"{root}: --noise-from takes an earlier run of the same campaign, and {key} differs from that of "
            f"{campaign.name}; name a run with the same defaults and trainer, or leave the option out"
        )
    ledger, newest = run.new_ledger(), deque[Record](maxlen=1)
    run.fold(ledger.fold, newest.append)
    if ledger.history.earlier_noise is not None:
        raise RunError(
            f"{root}: was itself begun with the noise of {ledger.history.earlier_noise['run']}, and the same data "
            "could count twice; name a run that was begun without, or leave --noise-from out"
        )
    base = campaign.seeds.simulation_base
    if any(base < one.planned.simulation_seed <= base + REACH for one in ledger.history.iterations.values()):
        raise RunError(
            f"{root}: ran on data seeds that {campaign.name} would use again, and the same data would count twice in "
            f"the noise; give the campaign another seeds.simulation_base (now {base}), or leave --noise-from out"
        )
    found = {metric: ledger.views.estimates.noise(metric) for metric in judged()}
    metrics = {metric: noise_data(noise) for metric, noise in found.items() if noise.seeds.known}
    if not metrics:
        raise RunError(
            f"{root}: no config of it ran on two data seeds, so it tells of no noise; name another run, or leave "
            "--noise-from out"
        )
    return {"run": run.paths.root.resolve().name, "head": newest[0].hash, "metrics": metrics}


def _other_key(before: Campaign, now: Campaign) -> str | None:
    """The first key of the defaults or the trainer in which two campaigns differ; seeds do not count."""
    told = [_defaults(campaign) for campaign in (before, now)]
    return next((key for key in {**told[0], **told[1]} if told[0].get(key) != told[1].get(key)), None)


def _defaults(campaign: Campaign) -> dict[str, Scalar]:
    base = campaign.base_config().flat()
    kept = {key: value for key, value in base.items() if key not in (*SEED_KEYS, *PLACE_KEYS)}
    trainer = {"trainer": campaign.trainer, "surrogate": campaign.surrogate.model_dump()}
    return flatten(trainer if campaign.trainer == "surrogate" else {"trainer": campaign.trainer}) | kept
