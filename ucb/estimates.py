"""Today's estimates of a night: seed means of every config, the pooled noise, comparisons; kept until a run is added.

The one place where figures for judgement come from.
"""

from __future__ import annotations

from collections.abc import Sequence

from ucb.cells import Cells, cells
from ucb.compare import Comparison, compare
from ucb.earlier_noise import with_earlier
from ucb.noise import Noise, pool
from ucb.shares import Share, bad_limit, bad_share, share
from ucb.table import VarianceTable
from ucb.variance import ConfigStats, Run

BASELINE = "C1"
# A night of ten thousand batches must not slow down: more runs than these change an estimate little.
LATEST_RUNS = 48
POOLED_CONFIGS = 64
POOLED_TRIALS = 16
NONE = Cells({})


class Estimates:
    """Reads a `VarianceTable`; ``series`` are runs of several configs on the baseline's data, made to be compared."""

    def __init__(self, table: VarianceTable, baseline_runs: int) -> None:
        self._table, self._baseline_runs = table, baseline_runs
        self._series: list[list[Run]] = []
        self._series_cells: dict[tuple[int, str], tuple[int, float, Cells]] = {}
        self._cells: dict[tuple[str, str], tuple[ConfigStats, float, Cells]] = {}
        self._shares: dict[str, tuple[ConfigStats, float, Share]] = {}
        self._noise: dict[str, Noise] = {}
        self._limit: float | None = None
        # Of an earlier run of the same campaign, where the run was begun with it.
        self.earlier: dict[str, Noise] = {}

    def changed(self, series: Sequence[list[Run]] | None = None) -> None:
        """A run was added to the table, or to ``series``."""
        self._noise.clear()
        self._limit = None
        if series is not None:
            self._series = list(series)

    @property
    def limit(self) -> float:
        """The connectivity_R2 at or below which a run is badly recovered, settled by the baseline's first runs."""
        if self._limit is None:
            self._limit = bad_limit(self.baseline_runs(), self._table.limits)
        return self._limit

    def baseline_runs(self) -> tuple[Run, ...]:
        """The runs of the unchanged defaults that the campaign begins with."""
        return self._table[BASELINE].runs[: self._baseline_runs] if BASELINE in self._table else ()

    def runs(self, name: str) -> tuple[Run, ...]:
        """The runs of a config that estimates are made of: the baseline's first, any other's latest."""
        runs = self._table[name].runs
        return runs[: max(LATEST_RUNS, self._baseline_runs)] if name == BASELINE else runs[-LATEST_RUNS:]

    def cells(self, name: str, metric: str) -> Cells:
        """Seed means of one config."""
        if (stats := self._table.get(name)) is None:
            return NONE
        known, limit = self._cells.get((name, metric)), self.limit
        if known is None or known[0] is not stats or known[1] != limit:
            known = self._cells[name, metric] = (stats, limit, cells(self.runs(name), metric, limit))
        return known[2]

    def of_runs(self, runs: Sequence[Run], metric: str) -> Cells:
        """Seed means of some runs."""
        return cells(runs, metric, self.limit)

    def _of_series(self, runs: Sequence[Run], metric: str) -> Cells:
        """Seed means of one of the series, which grows at its end."""
        key = runs[0].iteration, metric
        known = self._series_cells.get(key)
        if known is None or known[:2] != (len(runs), self.limit):
            known = self._series_cells[key] = (len(runs), self.limit, self.of_runs(runs, metric))
        return known[2]

    def share(self, name: str) -> Share:
        """The share of bad runs of one config."""
        if name not in self._table:
            return share(0, 0)
        known, stats = self._shares.get(name), self._table[name]
        if known is None or known[0] is not stats or known[1] != self.limit:
            known = self._shares[name] = (stats, self.limit, bad_share(self.runs(name), self.limit))
        return known[2]

    def noise(self, metric: str) -> Noise:
        """The noise pooled over the baseline, the latest configs, and an earlier run if there is one."""
        if metric not in self._noise:
            names = [BASELINE, *(name for name in self._table.latest(POOLED_CONFIGS) if name != BASELINE)]
            crossed = [self._of_series(runs, metric) for runs in self._series[-POOLED_TRIALS:]]
            if crossed:
                crossed.append(self.cells(BASELINE, metric))
            made = pool([self.cells(name, metric) for name in names], crossed)
            earlier = self.earlier.get(metric)
            self._noise[metric] = made if earlier is None else with_earlier(made, earlier)
        return self._noise[metric]

    def compare(self, name: str, reference: str, metric: str) -> Comparison:
        """One config against another."""
        bad = self.share(name).bad + self.share(reference).bad
        pair = self.cells(name, metric), self.cells(reference, metric)
        return compare(*pair, self.noise(metric), metric, split=bad > 0)

    def share_of(self, runs: Sequence[Run]) -> Share:
        """The share of bad runs of runs that the table does not hold."""
        return bad_share(runs, self.limit)

    def against(self, name: str, runs: Sequence[Run], metric: str) -> Comparison:
        """One config against runs that the table does not hold."""
        bad = self.share(name).bad + self.share_of(runs).bad
        pair = self.cells(name, metric), self.of_runs(runs, metric)
        return compare(*pair, self.noise(metric), metric, split=bad > 0)

    def compare_runs(self, runs: Sequence[Run], metric: str, bad: int) -> Comparison:
        """Some runs against the baseline."""
        reference = self.cells(BASELINE, metric)
        return compare(self.of_runs(runs, metric), reference, self.noise(metric), metric, split=bad > 0)
