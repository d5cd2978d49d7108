"""Screening batches of a run: which there were, why none may come next, and what they say of each key."""

from __future__ import annotations

from agent.ledger.ledger import Ledger
from agent.ledger.views import Views
from prompts.context import Demand
from state.config import Scalar
from state.history import History, Iteration
from state.metrics import main
from state.records import SCREENING_ROLE
from ucb.compare import interval_words
from ucb.grammar import show_scalar
from ucb.noise import Noise
from ucb.screening import KeyEffect, key_effects, noise_within
from ucb.shares import is_bad

# Of a run with many of them, so many of the latest are told.
SHOWN_BATCHES = 4


def screenings(history: History) -> list[int]:
    """The batches that were planned as screening batches: all their slots have that role, see the guard."""
    return [number for number in history.batches if history.batch(number)[0].planned.role == SCREENING_ROLE]


def why_none(ledger: Ledger, demand: Demand) -> str:
    """Why the next batch may be no screening batch whatever is varied in it; '' where it may be one."""
    allowed = ledger.campaign.policy.screening
    if not allowed:
        return "this campaign allows none"
    if demand.baseline:
        return "the baseline comes first"
    if len(screenings(ledger.history)) >= allowed:
        return f"all {allowed} that the campaign allows have been run"
    return "confirmation runs are owed, which come first" if demand.owed is not None else ""


def screening_lines(views: Views) -> list[str]:
    """What the latest screening batches say of each key, one sentence a batch and metric; none before one has run."""
    if not views.campaign.policy.screening:
        return []
    done = [number for number in screenings(views.history) if all(it.result for it in views.history.batch(number))]
    names = [metric.name for metric in main(views.campaign.format)]
    return [_sentence(views, number, name) for number in done[-SHOWN_BATCHES:] for name in names]


def _sentence(views: Views, number: int, metric: str) -> str:
    batch = views.history.batch(number)
    changes = {key: step for iteration in batch for key, step in iteration.planned.changes.items()}
    steps = {key: changes[key] for key in views.campaign.explorable if key in changes}
    levels = [[key in iteration.planned.changes for key in steps] for iteration in batch]
    values, noise = [_value(views, iteration, metric) for iteration in batch], views.estimates.noise(metric)
    effects = key_effects(levels, values, noise_within(noise))
    about = f"Batch {number}, around {_parent(views, batch)}, {metric}"
    if effects is None:
        return (
            f"{about}: nothing can be told, {values.count(None)} of {len(batch)} runs failed or were badly recovered."
        )
    told = [_told(metric, key, steps[key], effect) for key, effect in zip(steps, effects, strict=True)]
    return f"{about}: {'; '.join(told)} ({_origin(noise)})."


def _parent(views: Views, batch: list[Iteration]) -> str:
    """The config around which the keys were varied: one of the runs has it unchanged."""
    return next(iteration.planned.config_id for iteration in batch if not iteration.planned.changes)


def _value(views: Views, iteration: Iteration, metric: str) -> float | None:
    """The metric of a well recovered run, else None."""
    planned = iteration.planned
    run = views.table.run(planned.config_id, planned.iteration)
    return None if run is None or is_bad(run, views.estimates.limit) else run.value(metric)


def _told(metric: str, key: str, step: tuple[Scalar, Scalar], effect: KeyEffect) -> str:
    old, new = map(show_scalar, step)
    told = f"{key.rpartition('.')[2]} {old} -> {new}: {effect.difference:+.3f}"
    return told if effect.interval is None else f"{told}, {interval_words(effect.interval, metric)}"


def _origin(noise: Noise) -> str:
    if noise.crossed.known:
        return f"noise of runs on the same data, {noise.crossed.freedom} degrees of freedom"
    if not noise.seeds.known:
        return "no interval: the noise is not known"
    return (
        f"noise of runs on data of their own, {noise.seeds.freedom} degrees of freedom: the intervals are wider than "
        "need be"
    )
