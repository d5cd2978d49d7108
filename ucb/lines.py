"""The log's one grammar: a table of labelled lines, each with how it is written and how it is read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from state.metrics import METRICS, curves, is_whole, recorded
from state.records import LogStyle
from ucb.entry import SHORT_NAMES, LogEntry
from ucb.grammar import (
    LogError,
    parse_mutation,
    read_integer,
    read_node,
    read_number,
    read_pairs,
    read_scalar,
    show_node,
    show_number,
    show_pairs,
    show_scalar,
)
from ucb.trajectory import Curve

_CURVE = re.compile(r"(\w+) peak=([^ @,]+)(?:@(joint|V_rest|standard))? final=([^ ,]+) trend=([a-z]+)")
_PEAK = re.compile(r"(\w+) (joint|V_rest|standard) ([0-9]{1,12})")
_DASH = " — "
_OURS: tuple[LogStyle, ...] = ("first", "full")


@dataclass(frozen=True)
class Line:
    """One labelled line: ``show`` gives what stands behind the label (one text a line), ``read`` the fields again.

    ``styles`` are those of the logs that have the line; a line that the addendum does not know is not in a strict one.
    """

    label: str
    show: Callable[[LogEntry], list[str]]
    read: Callable[[list[str]], dict[str, Any]]
    styles: tuple[LogStyle, ...] = ("first", "full", "strict")


def _one(values: list[str]) -> str:
    if len(values) != 1:
        raise LogError(f"found {len(values)} such lines here, expected one")
    return values[0]


def _prose(label: str, field: str) -> Line:
    return Line(label, lambda entry: [getattr(entry, field)], lambda values: {field: _one(values)})


def _maybe(read: Callable[[list[str]], dict[str, Any]]) -> Callable[[list[str]], dict[str, Any]]:
    """``read`` of a line that may be absent."""
    return lambda values: read(values) if values else {}


def _show_node(entry: LogEntry) -> list[str]:
    return [show_pairs({"id": str(entry.iteration), "parent": show_node(entry.parent)})]


def _read_node(values: list[str]) -> dict[str, Any]:
    pairs = _exactly(read_pairs(_one(values)), "id", "parent")
    return {"iteration": read_node(pairs["id"]), "parent": read_node(pairs["parent"])}


def _show_role(entry: LogEntry) -> list[str]:
    return ["robustness-check" if entry.role == "replicate" else entry.role]


def _read_role(values: list[str]) -> dict[str, Any]:
    role = _one(values)
    if role == "replicate":
        raise LogError("found replicate, expected robustness-check")
    return {"role": "replicate" if role == "robustness-check" else role}


def _show_seeds(entry: LogEntry) -> list[str]:
    seeds = {"sim_seed": str(entry.simulation_seed), "train_seed": str(entry.training_seed)}
    return [show_pairs(seeds | {"rationale": entry.seed_rationale})]


def _read_seeds(values: list[str]) -> dict[str, Any]:
    pairs = _exactly(read_pairs(_one(values)), "sim_seed", "train_seed", "rationale")
    seeds = {"simulation_seed": read_integer(pairs["sim_seed"]), "training_seed": read_integer(pairs["train_seed"])}
    return seeds | {"seed_rationale": pairs["rationale"]}


def _show_config(entry: LogEntry) -> list[str]:
    others = sorted(entry.config.keys() - set(SHORT_NAMES.values()))
    return [show_pairs({key: show_scalar(entry.config[key]) for key in (*SHORT_NAMES.values(), *others)})]


def _read_config(values: list[str]) -> dict[str, Any]:
    return {"config": {key: read_scalar(value) for key, value in read_pairs(_one(values)).items()}}


def _show_metrics(entry: LogEntry) -> list[str]:
    if entry.metrics is None:
        return []
    return [show_pairs({key: show_number(value) for key, value in recorded(entry.metrics).items()})]


def _read_metrics(values: list[str]) -> dict[str, Any]:
    if not values:
        return {}
    pairs = read_pairs(_one(values))
    if not is_whole(set(pairs)) or list(pairs) != list(recorded(dict.fromkeys(pairs))):
        raise LogError(f"found {', '.join(pairs)}, expected {', '.join(METRICS)}")
    return {"metrics": {key: read_number(value) for key, value in pairs.items()}}


def _trajectory(show: Callable[[Curve], str]) -> Line:
    def told(entry: LogEntry) -> list[str]:
        if entry.trajectory is None:
            return []
        return [", ".join(f"{label} {show(entry.trajectory[label])}" for label in curves(entry.trajectory))]

    return Line("R2 trajectory", told, _read_trajectory)


def _show_curve(curve: Curve) -> str:
    return f"peak={_four(curve.peak)} final={_four(curve.final)} trend={curve.trend}"


def _four(value: float | None) -> str:
    """Four significant decimals; the journal holds the full figure."""
    rounded = None if value is None else float(f"{value:.4g}")
    return show_number(rounded if rounded is not None and math.isfinite(rounded) else value)


def _show_first_curve(curve: Curve) -> str:
    at = f"@{curve.phase}" if curve.phase else ""
    return f"peak={show_number(curve.peak)}{at} final={show_number(curve.final)} trend={curve.trend}"


def _show_peaks(entry: LogEntry) -> list[str]:
    """`conn joint 12800, vrest V_rest 51200`: phase and iteration of each peak that is known."""
    known = entry.trajectory or {}
    told = [
        f"{label} {known[label].phase} {known[label].iteration}"
        for label in curves(known)
        if known[label].phase and known[label].iteration is not None
    ]
    return [", ".join(told)] if told else []


def _read_peaks(values: list[str]) -> dict[str, Any]:
    peaks = {}
    for part in _one(values).split(", "):
        if (match := _PEAK.fullmatch(part)) is None:
            raise LogError(f"found {part[:40]!r}, expected `conn joint 12800`")
        peaks[match[1]] = {"phase": match[2], "iteration": int(match[3])}
    return {"peaks": peaks}


def _read_trajectory(values: list[str]) -> dict[str, Any]:
    if not values:
        return {}
    parts = [_CURVE.fullmatch(part) for part in _one(values).split(", ")]
    labels = [part[1] if part else "" for part in parts]
    if not labels or labels != curves(labels):
        raise LogError("found another form, expected `conn peak=X@joint final=Y trend=stable, vrest ..., tau ...`")
    return {"trajectory": {part[1]: _read_curve(part) for part in parts if part}}


def _read_curve(part: re.Match[str]) -> dict[str, Any]:
    return {"peak": read_number(part[2]), "phase": part[3], "final": read_number(part[4]), "trend": part[5]}


def _show_failure(entry: LogEntry) -> list[str]:
    return [f"{entry.failure.kind}: {entry.failure.message}"] if entry.failure else []


def _read_failure(values: list[str]) -> dict[str, Any]:
    if not values:
        return {}
    kind, _, message = _one(values).partition(":")
    return {"failure": {"kind": kind, "message": message.strip()}}


def _read_mutation(values: list[str]) -> dict[str, Any]:
    parse_mutation(_one(values))
    return {"mutation": values[0]}


def _show_verdict(entry: LogEntry) -> list[str]:
    return [entry.verdict + (_DASH + entry.verdict_reason if entry.verdict_reason else "")]


def _read_verdict(values: list[str]) -> dict[str, Any]:
    verdict, _, reason = _one(values).partition(_DASH)
    return {"verdict": verdict, "verdict_reason": reason}


def _read_next(values: list[str]) -> dict[str, Any]:
    return {"next_parent": read_node(_exactly(read_pairs(_one(values)), "parent")["parent"])}


def _exactly(pairs: dict[str, str], *keys: str) -> dict[str, str]:
    if tuple(pairs) != keys:
        raise LogError(f"found {', '.join(pairs)}, expected {', '.join(keys)}")
    return pairs


LINES = (
    Line("Node", _show_node, _read_node),
    Line("Mode/Strategy", _show_role, _read_role),
    Line("Seeds", _show_seeds, _read_seeds),
    Line("Config", _show_config, _read_config),
    Line("Metrics", _show_metrics, _read_metrics),
    _trajectory(_show_curve),
    Line("Peaks", _show_peaks, _maybe(_read_peaks), ("full",)),
    Line("Failure", _show_failure, _read_failure),
    _prose("Embedding", "embedding"),
    Line("Mutation", lambda entry: [entry.mutation], _read_mutation),
    _prose("Parent rule", "parent_rule"),
    Line("Hypothesis", lambda entry: [entry.hypothesis], _maybe(lambda v: {"hypothesis": _one(v)}), _OURS),
    _prose("Observation", "observation"),
    Line("Verdict", _show_verdict, _maybe(_read_verdict), _OURS),
    Line("Check", lambda entry: list(entry.checks), lambda values: {"checks": tuple(values)}, _OURS),
    _prose("Variance update", "variance_update"),
    Line("Next", lambda entry: [f"parent={show_node(entry.next_parent)}"], _read_next),
)
_FIRST_TRAJECTORY = _trajectory(_show_first_curve)


def lines_of(style: LogStyle) -> list[Line]:
    """The lines that a log of ``style`` has, in their order."""
    lines = [line for line in LINES if style in line.styles]
    return [_FIRST_TRAJECTORY if style == "first" and line.label == _FIRST_TRAJECTORY.label else line for line in lines]
