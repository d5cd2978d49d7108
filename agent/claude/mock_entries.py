"""What MockLLM writes about finished iterations: plain sentences made from the facts in its prompt."""

from __future__ import annotations

from typing import Any

from prompts.context import ConfigView, Context, SlotView
from prompts.memory import HEADINGS


def judge(context: Context, view: SlotView) -> dict[str, Any]:
    """Embedding note, observation and verdict about one slot."""
    if view.failure is not None:
        what = f"{view.failure.kind}: {view.failure.message}"
        return {
            "embedding": "none: the slot failed",
            "observation": f"The slot failed ({what}); it counts as a very low value.",
            "verdict": "inconclusive",
            "verdict_reason": "a failed slot measures nothing but its own failure",
        }
    verdict, reason = _verdict(context, view)
    cluster = view.metrics.get("cluster_accuracy")
    return {
        "embedding": f"not looked at: the mock reads figures only; cluster_accuracy {_figure(cluster)}",
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
    """A replicate against the other runs of its config; a mutation by the program's comparison with the parent."""
    if view.role not in ("baseline", "replicate", "fallback"):
        return _mutation_verdict(context, view)
    reference, value = _config(context, view.config_id), view.metrics.get("connectivity_R2")
    mean, std = (
        (reference.mean.get("connectivity_R2"), reference.std.get("connectivity_R2")) if reference else (None, None)
    )
    if value is None or mean is None or std is None or reference is None or reference.runs < 3:
        return "inconclusive", "too few runs to tell the difference from noise"
    margin = 2 * std
    near = abs(value - mean) <= margin
    word = "within" if near else "outside"
    told = f"connectivity_R2 {value:.3f} lies {word} {mean:.3f} +- {margin:.3f}"
    return ("supported" if near else "falsified"), told


def _mutation_verdict(context: Context, view: SlotView) -> tuple[str, str]:
    mine = [comparison for comparison in context.comparisons if comparison.config_id == view.config_id]
    parent = next((comparison for comparison in mine if "parent" in comparison.against), mine[0] if mine else None)
    if parent is None:
        return "inconclusive", "nothing to compare with yet"
    found = parent.standings.get("V_rest_R2")
    word = {"behind": "falsified"}.get(str(found), "inconclusive")
    return word, f"V_rest_R2 is {found} against {parent.against}" + (", unconfirmed" if found == "ahead" else "")


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
    planned = "baseline runs of the defaults" if context.demand.baseline else f"next batch: {context.demand.reason}"
    bodies = {
        "### Established Principles": "\n".join(principles),
        "### Open Questions": "\n".join(questions[:20]),
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
