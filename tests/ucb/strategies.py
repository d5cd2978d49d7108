"""Hypothesis strategies and small builders shared by the tests of ucb/."""

from __future__ import annotations

import math
from typing import Any, get_args

from hypothesis import strategies as st

from state.config import Scalar
from state.metrics import METRICS, traced
from state.records import Failure, FailureKind, LogStyle, Phase, Planned, Role, SeedRationale, SlotResult
from ucb.entry import SHORT_NAMES, Judgement, LogEntry
from ucb.grammar import render_mutation
from ucb.trajectory import Curve, Trend
from ucb.tree import TreeNode

HOSTILE = [
    "x\n## Iter 9: converged\nNode: id=9, parent=1",
    "good\nNext: parent=3",
    "a\r\nMetrics: connectivity_R2=1.0",
    "b\u2028Observation: mine\u2029## Block 4",
    "c\x0bNext: parent=1\x0cd\x85e\x1c",
    "\x1b[2J\x00 \u202ereversed\u2066",
    "# Experiment Log: fake",
    "supported — really — sure",
    "lone \ud800 surrogate",
    "",
]
prose = st.one_of(
    st.text(max_size=60), st.sampled_from(HOSTILE), st.text(alphabet="\n#> :=,—NextIter0123456789", max_size=40)
)
numbers = st.floats(allow_nan=False, allow_infinity=False)
metric = st.none() | numbers
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
scalars: st.SearchStrategy[Scalar] = st.one_of(
    st.booleans(),
    st.integers(-(10**15), 10**15),
    numbers,
    st.sampled_from(["zeros", "randn_scaled", "True", "nan", "2", "1e-3", "a, b=c", 'q"uo\\te', "x -> y", ""]),
    st.text(max_size=12),
)
nodes = st.integers(1, 10**9 - 1)
places = st.one_of(
    st.just({}), st.fixed_dictionaries({"phase": st.sampled_from(get_args(Phase)), "iteration": st.integers(0, 10**9)})
)
curves = st.builds(
    lambda peak, place, final, trend: Curve(peak=peak, **place, final=final, trend=trend),
    metric,
    places,
    metric,
    st.sampled_from(get_args(Trend)),
)
changes = st.dictionaries(names, st.tuples(scalars, scalars), max_size=3)
roles = st.sampled_from(get_args(Role))


@st.composite
def entries(draw: st.DrawFn) -> LogEntry:
    """Any entry whatsoever, measured or failed."""
    role = draw(roles)
    fields: dict[str, Any] = {
        "config": draw(st.dictionaries(names, scalars, max_size=3))
        | {name: draw(scalars) for name in SHORT_NAMES.values()},
        "mutation": render_mutation(draw(changes), role, draw(st.none() | nodes)),
    }
    if draw(st.booleans()):
        fields["failure"] = Failure(kind=draw(st.sampled_from(get_args(FailureKind))), message=draw(prose))
        fields["status"] = fields["failure"].status
    else:
        fields["metrics"] = {name: draw(metric) for name in METRICS}
        fields["trajectory"] = {trace.label: draw(curves) for trace in traced().values()}
        fields["status"] = draw(st.sampled_from(["converged", "partial", "failed"]))
    for name in ("embedding", "parent_rule", "hypothesis", "observation", "verdict_reason", "variance_update"):
        fields[name] = draw(prose)
    return LogEntry(
        iteration=draw(nodes),
        parent=draw(st.none() | nodes),
        role=role,
        simulation_seed=draw(st.integers(0, 2**31)),
        training_seed=draw(st.integers(0, 2**31)),
        seed_rationale=draw(st.sampled_from(get_args(SeedRationale))),
        verdict=draw(st.sampled_from(["supported", "falsified", "inconclusive"])),
        checks=tuple(draw(st.lists(prose, max_size=3))),
        next_parent=draw(st.none() | nodes),
        **fields,
    )


def told(entry: LogEntry, style: LogStyle = "full") -> LogEntry:
    """What a log of ``style`` tells of ``entry``, and so what is read back."""
    changes: dict[str, Any] = {}
    if entry.trajectory is not None:
        changes["trajectory"] = {name: _told_curve(curve, style) for name, curve in entry.trajectory.items()}
    if style == "strict":
        changes |= {"hypothesis": "", "verdict": "inconclusive", "verdict_reason": "", "checks": ()}
    return entry.model_copy(update=changes)


def _told_curve(curve: Curve, style: LogStyle) -> Curve:
    if style == "first":
        return curve.model_copy(update={"iteration": None})
    four = {name: _four(getattr(curve, name)) for name in ("peak", "final")}
    return curve.model_copy(update=four | ({"phase": None, "iteration": None} if style == "strict" else {}))


def _four(value: float | None) -> float | None:
    rounded = None if value is None else float(f"{value:.4g}")
    return rounded if rounded is not None and math.isfinite(rounded) else value


def planned(iteration: int = 5, parent: int | None = 2, **fields: Any) -> Planned:
    """A planned slot that lowers joint_ratio, unless ``fields`` say otherwise."""
    default: dict[str, Any] = {
        "batch": 2,
        "slot": 0,
        "run_id": f"run-{iteration}",
        "role": "exploit",
        "mutation": "alternate_joint_ratio: 0.4 -> 0.3",
        "parent_rule": "highest UCB",
        "hypothesis": "a shorter joint phase leaves time for V_rest",
        "simulation_seed": 1000 + iteration,
        "training_seed": 500 + iteration,
        "seed_rationale": "suggested-default",
        "config": "b" * 64,
        "config_hash": "c" * 64,
        "config_id": "C2",
        "changes": {"training.alternate_joint_ratio": (0.4, 0.3)},
    }
    return Planned(iteration=iteration, parent=parent, **(default | fields))


def result(conn: float | None = 0.9, **metrics: float | None) -> SlotResult:
    """A finished slot; metrics not named are 0.5."""
    values = dict.fromkeys(METRICS, 0.5) | {"connectivity_R2": conn} | metrics
    return SlotResult(run_id="r", config_hash="c" * 64, status="done", metrics=values)


def failed_result(message: str = "killed after 120 minutes") -> SlotResult:
    """A slot that was stopped."""
    return SlotResult(
        run_id="r", config_hash="c" * 64, status="failed", failure=Failure(kind="timed_out", message=message)
    )


def judgement(**fields: Any) -> Judgement:
    """A plain opinion."""
    default = {"embedding": "two clusters", "observation": "fine", "verdict": "supported", "verdict_reason": "it rose"}
    return Judgement(**(default | fields))


def node(number: int, parent: int | None, conn: float | None = 0.5, role: Role = "exploit") -> TreeNode:
    """A tree node; conn None makes it a failed slot."""
    if conn is None:
        return TreeNode(number, parent, role, "failed", failure="timed_out")
    return TreeNode(number, parent, role, "partial", metrics={"connectivity_R2": conn})
