"""Screening batches of a run: which there were, why none may come next, and what they say of each key."""

from __future__ import annotations

from collections.abc import Sequence

from agent.ledger.ledger import Ledger
from agent.ledger.views import Views
from prompts.context import Demand
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
    if demand.of_program:
        return "some of its slots are taken already"
    return "confirmation runs are owed, which come first" if demand.owed is not None else ""


def screening_lines(views: Views) -> list[str]:
    """What the latest screening batches say, one sentence a key, then whose noise it is; none before one has run."""
    if not views.campaign.policy.screening:
        return []
    done = [number for number in screenings(views.history) if all(it.result for it in views.history.batch(number))]
    names = [metric.name for metric in main(views.campaign.format)]
    lines = [line for number in done[-SHOWN_BATCHES:] for line in _of_batch(views, number, names)]
    return [*lines, *_noise_lines(views, names)] if lines else []


def _of_batch(views: Views, number: int, metrics: Sequence[str]) -> list[str]:
    batch = views.history.batch(number)
    changes = {key: step for iteration in batch for key, step in iteration.planned.changes.items()}
    steps = {key: changes[key] for key in views.campaign.explorable if key in changes}
    found = {metric: effects for metric in metrics if (effects := _effects(views, batch, list(steps), metric))}
    about = f"Batch {number}, around {_parent(batch)}"
    if not found:
        bad = sum(_value(views, iteration, metrics[0]) is None for iteration in batch)
        return [f"{about}: nothing can be told, {bad} of {len(batch)} runs failed or were badly recovered."]
    return [
        f"{about}, {key.rpartition('.')[2]} {show_scalar(old)} -> {show_scalar(new)}: "
        + ", ".join(f"{metric} {_figures(effects[place], metric)}" for metric, effects in found.items())
        + "."
        for place, (key, (old, new)) in enumerate(steps.items())
    ]


def _effects(views: Views, batch: list[Iteration], keys: list[str], metric: str) -> list[KeyEffect] | None:
    levels = [[key in iteration.planned.changes for key in keys] for iteration in batch]
    values = [_value(views, iteration, metric) for iteration in batch]
    return key_effects(levels, values, noise_within(views.estimates.noise(metric)))


def _parent(batch: list[Iteration]) -> str:
    """The config around which the keys were varied: one of the runs has it unchanged."""
    return next(iteration.planned.config_id for iteration in batch if not iteration.planned.changes)


def _value(views: Views, iteration: Iteration, metric: str) -> float | None:
    """The metric of a well recovered run, else None."""
    planned = iteration.planned
    run = views.table.run(planned.config_id, planned.iteration)
    return None if run is None or is_bad(run, views.estimates.limit) else run.value(metric)


def _figures(effect: KeyEffect, metric: str) -> str:
    told = f"{effect.difference:+.3f}"
    return told if effect.interval is None else f"{told} ({interval_words(effect.interval, metric)})"


def _noise_lines(views: Views, metrics: Sequence[str]) -> list[str]:
    """From which noise the intervals come."""
    origins: dict[str, list[str]] = {}
    for metric in metrics:
        origins.setdefault(_origin(views.estimates.noise(metric)), []).append(metric)
    return [f"{', '.join(names)}: {origin}." for origin, names in origins.items()]


def _origin(noise: Noise) -> str:
    if noise.crossed.known:
        return "the intervals are by the noise of runs on the same data"
    if noise.seeds.known:
        own = "the intervals are by the noise of runs on data of their own"
        return f"{own}, so wider than need be, until a trial tells more"
    return "without intervals, since the noise is not known"
