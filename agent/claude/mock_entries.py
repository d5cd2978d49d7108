"""What MockLLM writes about finished iterations: plain sentences made from the facts in its prompt."""

from __future__ import annotations

import math
from typing import Any

from prompts.context import ConfigView, Context, SlotView
from prompts.memory import HEADINGS

ENOUGH = 3  # runs before anything is said of their spread
STEADY_CV = 0.05
UNSEEN = "not looked at: the mock reads figures only"


def judge(context: Context, view: SlotView) -> dict[str, Any]:
    """Embedding note, observation and verdict about one slot."""
    if view.failure is not None and view.failure.is_cut:
        return {
            "embedding": "none: the run was cut",
            "observation": f"The program ended the run at a third of its training: {view.failure.message}.",
            "verdict": "inconclusive",
            "verdict_reason": "a run that was cut has no final value",
        }
    seen = context.pictured
    if view.failure is not None:
        what = f"{view.failure.kind}: {view.failure.message}"
        return {
            "embedding": "none: the slot failed" if seen else None,
            "observation": f"The slot failed ({what}); it counts as a very low value.",
            "verdict": "inconclusive",
            "verdict_reason": "a failed slot measures nothing but its own failure",
        }
    verdict, reason = _verdict(context, view)
    cluster = view.metrics.get("cluster_accuracy")
    return {
        "embedding": f"{UNSEEN}; cluster_accuracy {_figure(cluster)}" if seen else None,
        "observation": _observation(view),
        "verdict": verdict,
        "verdict_reason": reason,
    }


def _observation(view: SlotView) -> str:
    conn, vrest = view.curves["connectivity_R2"], view.curves["V_rest_R2"]
    parts = [
        f"connectivity_R2 peaked at {_figure(conn.peak)} ({conn.peak_phase} phase), ended at {_figure(conn.final)}",
        f"V_rest_R2 ended at {_figure(vrest.final)} ({vrest.trend})",
        f"pattern {view.pattern}",
    ]
    if view.over_time and view.minutes is not None:
        parts.append(f"it took {view.minutes:.1f} min, over the limit: reduce the work")
    return "; ".join(parts)


def _verdict(context: Context, view: SlotView) -> tuple[str, str]:
    """On the hypothesis that was written before the run, as the mock words it for each role."""
    if view.role in ("fallback", "standard-baseline"):
        return "inconclusive", "the program chose this run, nobody had a hypothesis"
    if view.role == "screening":
        return (
            "inconclusive",
            "one run of a screening batch tells nothing; its effects are told of all of them together",
        )
    if view.role == "baseline":
        return _baseline_verdict(context, view)
    return _repeat_verdict(context, view) if view.role == "replicate" else _mutation_verdict(context, view)


def _baseline_verdict(context: Context, view: SlotView) -> tuple[str, str]:
    """That the defaults reach a CV below 5 %."""
    config = _config(context, view.config_id)
    mean, std = _spread(config, "connectivity_R2")
    if config is None or mean is None or std is None or config.runs < ENOUGH:
        return "inconclusive", "too few runs for a CV"
    steady = mean > 0 and std / mean < STEADY_CV
    return ("supported" if steady else "falsified"), f"the CV is {'below' if steady else 'not below'} 5 %"


def _repeat_verdict(context: Context, view: SlotView) -> tuple[str, str]:
    """That the run lies within two standard deviations of the config's other runs, itself left out."""
    value, config = view.metrics.get("connectivity_R2"), _config(context, view.config_id)
    others = None if config is None or value is None else _without(config, value)
    if value is None or others is None:
        return "inconclusive", "too few other runs to tell the difference from noise"
    near = abs(value - others[0]) <= 2 * others[1]
    if near and view.status == "failed":
        return "inconclusive", "it repeats runs that failed themselves"
    word = "within" if near else "not within"
    return ("supported" if near else "falsified"), f"it lies {word} two standard deviations of the config's other runs"


def _without(config: ConfigView, value: float) -> tuple[float, float] | None:
    """Mean and std of connectivity_R2 over the runs of ``config`` but one, which had ``value``; None below ENOUGH."""
    (mean, std), n = _spread(config, "connectivity_R2"), config.runs
    if mean is None or std is None or n <= ENOUGH:
        return None
    others = (n * mean - value) / (n - 1)
    squares = (n - 1) * std**2 + n * mean**2 - value**2 - (n - 1) * others**2
    return others, math.sqrt(max(squares, 0.0) / (n - 2))


def _mutation_verdict(context: Context, view: SlotView) -> tuple[str, str]:
    """That the change raises V_rest_R2 and keeps connectivity_R2: against the runs of the parent's config."""
    name = view.parent_config_id
    vrest, conn = (_above(context, view, metric) for metric in ("V_rest_R2", "connectivity_R2"))
    if vrest is None or conn is None:
        return "inconclusive", "too few runs of the parent's config to tell the difference from noise"
    if view.status == "failed" or conn < -2:
        return "falsified", f"connectivity_R2 lies more than two standard deviations below the runs of {name}"
    if vrest > 1:
        return (
            "supported",
            f"V_rest_R2 lies more than a standard deviation above the runs of {name}; one run, unconfirmed",
        )
    if vrest < -1:
        return "falsified", f"V_rest_R2 lies more than a standard deviation below the runs of {name}"
    return "inconclusive", f"V_rest_R2 lies within a standard deviation of the runs of {name}"


def _above(context: Context, view: SlotView, metric: str) -> float | None:
    """How many standard deviations the run lies above the mean of its parent's config; None where that is unknown.

    The deviation is the config's own or, as long as it has too few runs for one, the baseline's.
    """
    mean, own = _spread(_config(context, view.parent_config_id), metric)
    std = own or _spread(_config(context, "C1"), metric)[1]
    value = view.metrics.get(metric)
    return None if mean is None or not std or value is None else (value - mean) / std


def _spread(config: ConfigView | None, metric: str) -> tuple[float | None, float | None]:
    return (None, None) if config is None else (config.mean.get(metric), config.std.get(metric))


def _config(context: Context, config_id: str) -> ConfigView | None:
    return next((view for view in context.configs if view.config_id == config_id), None)


def memory_text(context: Context) -> str:
    """The working memory: the mock keeps only what the figures say now, under the required headings."""
    principles = [
        f"- {view.config_id} is {view.robust} over {view.runs} runs ({_changes(view)})"
        for view in context.configs
        if view.robust != "undecided"
    ]
    principles += [f"- {line}" for line in context.verdicts if not line.startswith(("Error budget", "Candidate"))]
    questions = [
        f"- {view.config_id} has only {view.runs} run{'s' if view.runs > 1 else ''} ({_changes(view)})"
        for view in context.configs
        if view.runs < 3
    ]
    if context.kind == "start":
        questions = [f"- planned: vary {rule.key.rpartition('.')[2]} ({rule.allowed})" for rule in context.rules]
    planned = "baseline runs of the defaults" if context.demand.baseline else f"next batch: {context.demand.reason}"
    bodies = {
        "### Established Principles": "\n".join(principles),
        "### Open Questions": "\n".join(questions[:20]) or "Every config shown has three runs or more.",
        "## Current Block": f"Block {context.block}, iterations {context.block_iterations[0]} to "
        f"{context.block_iterations[1]}. {planned}.",
    }
    parts = [f"# Working Memory: {context.campaign}"]
    for heading in HEADINGS:
        parts += [heading, bodies.get(heading, "")]
    return "\n\n".join(part for part in parts if part) + "\n"


def _changes(view: ConfigView) -> str:
    return ", ".join(f"{key.rsplit('.', 1)[-1]}={value}" for key, value in view.changes.items()) or "the defaults"


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
