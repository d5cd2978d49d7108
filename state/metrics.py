"""The metrics of a run, one row each: log, tables, prompt, claim check, audit, status, report and trackers read it.

A metric that is added here is absent in runs that were made before: it is shown as not measured there, and their
prompts and tables stay as they were (``since``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from state.added import FORMAT

ANY: Final = float("-inf")
NOT_MEASURED: Final = "not measured: the run is older than this metric"
# What scores, statuses and the classes of runs are made of.
REWARD: Final = "connectivity_R2"


@dataclass(frozen=True)
class Steady:
    """What makes a config robust in one metric: a CV below ``max_cv`` and no run at or below ``least``.

    ``setting`` begins the names of the two in a campaign's `thresholds`, where that has them.
    """

    setting: str
    max_cv: float
    least: float


@dataclass(frozen=True)
class Trace:
    """The metric along a training: its column of metrics.log, and its name in the log's `R2 trajectory:` line."""

    column: str
    label: str


@dataclass(frozen=True)
class Metric:
    """One row.

    ``short`` is how tables and sentences call it. ``low`` and ``high`` are its bounds. ``heading`` is its column of the
    variance table ('' = it has none), ``steady`` what makes a config robust in it. ``main`` is its place among those
    that are compared with the baseline and shown for each run (None = it is not), ``trace`` what it is along the
    training. ``words`` are the ways in which a claim about it may be written, alternatives of a regular expression
    ('' = claims about it are not checked); a stated figure with a sign is a value only where it is ``signed``, else a
    difference. ``aliases`` are its names in other programs' logs, in lower case. ``margin`` is what it may lose beside
    a better primary metric, ``watched`` that it must not fall. ``since``: the format of runs that it came with.
    """

    name: str
    meaning: str
    short: str
    low: float = ANY
    high: float = 1.0
    lower_is_better: bool = False
    digits: int = 4
    heading: str = ""
    steady: Steady | None = None
    main: int | None = None
    trace: Trace | None = None
    words: str = ""
    aliases: tuple[str, ...] = ()
    margin: float | None = None
    watched: bool = False
    signed: bool = False
    since: int = 1


# In the order of the log's `Metrics:` line.
_ROWS = (
    Metric(
        REWARD,
        "how well the learned synaptic weights fit the true ones (R2 over edges)",
        short="conn",
        heading="conn_R2",
        steady=Steady("conn", 0.05, 0.90),
        main=0,
        trace=Trace("connectivity_r2", "conn"),
        words=r"connectivity[_ ]R2|connectivity|conn[_ ]R2|conn",
        aliases=("conn", "conn_r2", "connectivity", "connectivity_r2"),
        # The addendum: 0.944 kept, with a CV of 3.8 %, that is a standard deviation of 0.036.
        margin=0.036,
    ),
    Metric(
        "tau_R2",
        "how well the learned time constants fit the true ones (R2 over neurons)",
        short="tau",
        heading="tau_R2",
        steady=Steady("tau", 0.05, 0.90),
        main=2,
        trace=Trace("tau_r2", "tau"),
        words=r"tau[_ ]R2|tau",
        aliases=("tau", "tau_r2"),
        # The addendum: 0.97 kept.
        margin=0.03,
    ),
    Metric(
        "V_rest_R2",
        "how well the learned resting potentials fit the true ones (R2 over neurons)",
        short="V_rest",
        heading="V_rest_R2",
        steady=Steady("vrest", 0.20, 0.40),
        main=1,
        trace=Trace("vrest_r2", "vrest"),
        words=r"V_?rest[_ ]R2|V_?rest",
        aliases=("v_rest", "vrest", "v_rest_r2", "vrest_r2"),
    ),
    Metric(
        "cluster_accuracy",
        "share of neurons whose cell type a clustering of what was learned finds again",
        short="cluster",
        low=0.0,
        heading="cluster",
        steady=Steady("cluster", 0.10, 0.80),
        words=r"cluster[_ ]accuracy|cluster",
        aliases=("cluster", "cluster_acc"),
    ),
    Metric(
        "test_R2",
        "how well one step on unseen movies is predicted",
        short="test",
        words=r"test[_ ]R2",
        aliases=("test_r2",),
        watched=True,
        signed=True,
    ),
    Metric(
        "test_pearson",
        "mean correlation of true and predicted traces in a roll-out on unseen movies",
        short="pearson",
        low=-1.0,
        words=r"test[_ ]pearson|pearson",
        watched=True,
        signed=True,
    ),
    Metric(
        "training_time_min",
        "minutes of training alone",
        short="minutes",
        low=0.0,
        high=float("inf"),
        lower_is_better=True,
        digits=1,
        aliases=("time",),
    ),
)
METRICS: Final[Mapping[str, Metric]] = {row.name: row for row in _ROWS}

# What only other programs' logs hold: the auditor knows their names and bounds.
FOREIGN: Final[Mapping[str, Metric]] = {
    row.name: row
    for row in (
        Metric("raw_W_R2", "R2 of the weights as they stand", "raw W", aliases=("raw_w", "raw_w_r2")),
        Metric("onestep_pearson", "correlation one step ahead", "one-step", low=-1.0, aliases=("onestep",)),
        Metric(
            "rollout_pearson",
            "correlation in a roll-out",
            "roll-out",
            -1.0,
            aliases=("rollout", "rollout_r", "rollout_p"),
        ),
        Metric("dale_score", "agreement with Dale's law", "dale", high=float("inf"), aliases=("dale",)),
    )
}


def _rows(wanted: Callable[[Metric], object], format: int) -> list[Metric]:
    return [row for row in METRICS.values() if row.since <= format and wanted(row)]


def tabled(format: int = FORMAT) -> list[Metric]:
    """The columns of the variance table in a run of ``format``."""
    return _rows(lambda row: row.heading, format)


def main(format: int = FORMAT) -> list[Metric]:
    """Those that are compared with the baseline and shown for each run, in their order."""
    return sorted(_rows(lambda row: row.main is not None, format), key=lambda row: row.main or 0)


def shown(format: int = FORMAT) -> list[Metric]:
    """Those that stand for a run or a config where there is room for a few: the main ones, then the others tabled."""
    first = main(format)
    return [*first, *(row for row in tabled(format) if row not in first)]


def traced(format: int = FORMAT) -> dict[str, Trace]:
    """Those that a trajectory follows, in the order of its rows: name -> what it is there."""
    rows = sorted(_rows(lambda row: row.trace, format), key=lambda row: len(METRICS) if row.main is None else row.main)
    return {row.name: row.trace for row in rows if row.trace is not None}


def described(format: int) -> list[Metric]:
    """All that a run of ``format`` is told of, the main ones first."""
    first = main(format)
    return [*first, *_rows(lambda row: row not in first, format)]


def judged() -> dict[str, float | None]:
    """Those that a goal may name -> what each may lose beside a better primary metric, None = it says nothing."""
    return {row.name: row.margin for row in METRICS.values() if not row.lower_is_better}


def watched() -> list[str]:
    """Those that must not surely fall when a config is confirmed better."""
    return [row.name for row in METRICS.values() if row.watched]


def recorded(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """Those that a run has measured, defined or not, in their order."""
    return {name: metrics[name] for name in METRICS if name in metrics}


def is_whole(names: set[str]) -> bool:
    """Whether ``names`` are those of one run: all metrics of the first release, perhaps later ones, and no other."""
    return {row.name for row in _rows(lambda row: True, 1)} <= names <= set(METRICS)


def curves(labels: Iterable[str]) -> list[str]:
    """``labels`` in the order of the log's line; [] unless they are those of the first release, perhaps later ones."""
    given, first = set(labels), {trace.label for trace in traced(1).values()}
    ordered = [trace.label for trace in traced().values() if trace.label in given]
    return ordered if first <= given == set(ordered) else []


def undefined_line(reasons: Mapping[str, str]) -> str:
    """Which of the traced ones are undefined, and why: `conn, tau undefined: f_theta is flat in 2 neurons`, or ''."""
    by_reason: dict[str, list[str]] = {}
    for name in traced():
        if reason := reasons.get(name):
            by_reason.setdefault(reason, []).append(METRICS[name].short)
    return "; ".join(f"{', '.join(names)} undefined: {reason}" for reason, names in by_reason.items())
