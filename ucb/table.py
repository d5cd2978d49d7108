"""The variance table of a campaign: every config's statistics, best first, kept up to date run by run."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from state.added import FORMAT
from state.metrics import REWARD, Metric, tabled
from state.thresholds import Thresholds
from ucb.trajectory import DEFAULTS, VrestWord
from ucb.variance import ConfigStats, Run, Spread, same_data, training_spread

TITLE = "### Variance Estimates"
# The addendum's dashes, where they are not as many as its words are long.
_RULES = {"R2 trend": 9, "cluster (mean +/- std)": 23, "tau_R2 (mean +/- std)": 23}

Key = tuple[float, float, int]


@dataclass
class VarianceTable:
    """All configs of a campaign, best first; adding a run touches its own config only."""

    limits: Thresholds = DEFAULTS
    format: int = FORMAT
    extra_rows: bool = True
    _runs: dict[str, list[Run]] = field(default_factory=dict)
    _by_iteration: dict[tuple[str, int], Run] = field(default_factory=dict)
    _order: list[tuple[Key, str]] = field(default_factory=list)
    _keys: dict[str, Key] = field(default_factory=dict)
    _stats: dict[str, ConfigStats] = field(default_factory=dict)
    _rows: dict[str, str] = field(default_factory=dict)
    _by_mean: list[tuple[float, int, str]] = field(default_factory=list)

    def add(self, run: Run) -> ConfigStats:
        """Count ``run`` in and return its config's statistics with it."""
        name = run.config_id
        if name in self._keys:
            del self._order[bisect_left(self._order, (self._keys[name], name))]
            del self._by_mean[bisect_left(self._by_mean, self._mean_key(name))]
        self._runs.setdefault(name, []).append(run)
        self._by_iteration[name, run.iteration] = run
        stats = ConfigStats(name, tuple(self._runs[name]), self.limits, self.format)
        key = order(stats)
        insort(self._order, (key, name))
        self._keys[name], self._stats[name] = key, stats
        insort(self._by_mean, self._mean_key(name))
        self._rows.pop(name, None)
        return stats

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, name: object) -> bool:
        return name in self._stats

    def get(self, name: str) -> ConfigStats | None:
        """The statistics of a config; None where it has no run that counts."""
        return self._stats.get(name)

    def __getitem__(self, name: str) -> ConfigStats:
        """The statistics of a config; those of no run where it has none that counts."""
        return self._stats.get(name) or ConfigStats(name, (), self.limits, self.format)

    def run(self, name: str, iteration: int) -> Run | None:
        """The run of one iteration of a config, None before it has finished."""
        return self._by_iteration.get((name, iteration))

    def names(self) -> list[str]:
        """All configs, in order of first use."""
        return list(self._runs)

    def latest(self, k: int) -> list[str]:
        """The ``k`` configs that were first used last, in order of first use."""
        return list(islice(reversed(self._runs), k))[::-1]

    def as_of(self, name: str, iteration: int) -> ConfigStats:
        """What there was to say of a config after its run ``iteration``."""
        runs = tuple(run for run in self._runs.get(name, []) if run.iteration <= iteration)
        return ConfigStats(name, runs, self.limits, self.format)

    def rows(self, name: str) -> str:
        """The markdown rows of one config, made once until its next run."""
        if name not in self._rows:
            self._rows[name] = "".join(_rows(self._stats[name], self.extra_rows))
        return self._rows[name]

    def top(self, k: int | None = None) -> list[ConfigStats]:
        """The first ``k`` configs by score, however few runs they have: those most worth a replicate."""
        return [self._stats[name] for _, name in self._order[:k]]

    def by_connectivity(self, k: int) -> list[ConfigStats]:
        """The first ``k`` configs by mean connectivity_R2; ties go to the older one."""
        return [self._stats[name] for *_, name in self._by_mean[:k]]

    def _mean_key(self, name: str) -> tuple[float, int, str]:
        return -(self._stats[name].spreads[REWARD].mean or 0.0), self._runs[name][0].iteration, name

    def ranking(self, k: int | None = None) -> list[ConfigStats]:
        """The first ``k`` of the configs with enough runs to be ranked; ties go to the lower CV(V_rest)."""
        stats = (self._stats[name] for _, name in self._order)
        return list(islice((config for config in stats if config.ranked), k))

    def leading(self, k: int) -> list[ConfigStats]:
        """The first ``k`` of the ranked configs; as long as none is ranked, of all in the same order."""
        return self.ranking(k) or self.top(k)


def order(stats: ConfigStats) -> Key:
    """Sorts configs best first: by score; ties go to the lower CV(V_rest), then to the older one."""
    vrest_cv = stats.spreads["V_rest_R2"].cv
    return -stats.score, float("inf") if vrest_cv is None else vrest_cv, stats.runs[0].iteration


def render_table(table: VarianceTable, limit: int = 20) -> str:
    """The addendum's `### Variance Estimates` in markdown: the first ``limit`` configs, and always C1, the first used.

    A config with runs both on the same and on different data has a second row, for training variance alone.
    """
    shown = table.top(limit)
    if "C1" in table and all(stats.config_id != "C1" for stats in shown):
        shown.append(table["C1"])
    return table_of((table.rows(stats.config_id) for stats in shown), len(table) - len(shown), table.format)


def table_of(rows: Iterable[str], hidden: int, format: int) -> str:
    """The whole table: the addendum's header, the ``rows`` of each config, and how many configs are not shown."""
    note = f"\n{hidden} more config{'s' if hidden > 1 else ''} with a lower score not shown.\n" if hidden else ""
    return _head(tabled(format)) + "".join(rows) + note


def _head(metrics: Sequence[Metric]) -> str:
    """The trend stands behind the reward."""
    cells = ["Config ID", "Runs"]
    for metric in metrics:
        cells += [f"{metric.heading} (mean +/- std)", "CV", *(["R2 trend"] if metric.name == REWARD else [])]
    cells.append("Robust?")
    rules = ["-" * _RULES.get(cell, len(cell) + 2) for cell in cells]
    return f"{TITLE}\n| {' | '.join(cells)} |\n|{'|'.join(rules)}|\n"


def _rows(stats: ConfigStats, extra: bool) -> Iterator[str]:
    yield table_row(stats, stats.config_id, stats.runs, stats.spreads, stats.robustness)
    if extra and stats.simulation_seeds > 1 and (repeated := same_data(stats.runs)):
        spreads = {metric.name: training_spread(repeated, metric.name) for metric in stats.metrics}
        yield table_row(stats, f"{stats.config_id}, same data", repeated, spreads, "")


def table_row(
    stats: ConfigStats, name: str, runs: Sequence[Run], spreads: Mapping[str, Spread], robustness: str
) -> str:
    """One row under ``name``. `Runs` is a number; in the first release it told of seeds and failures as well."""
    count, trend = str(len(runs)) if stats.format > 1 else _first_counts(runs), trends(runs, stats.format)
    cells = [name, count]
    for metric, one in spreads.items():
        cells += [_mean(one), _percent(one.cv), *([trend] if metric == REWARD else [])]
    return f"| {' | '.join([*cells, robustness])} |\n"


def _first_counts(runs: Sequence[Run]) -> str:
    data, training = (len({getattr(run, f"{kind}_seed") for run in runs}) for kind in ("simulation", "training"))
    failed = sum(run.metrics is None for run in runs)
    return f"{len(runs)} (sim seeds {data}, train seeds {training}{f', {failed} failed' if failed else ''})"


def trends(runs: Sequence[Run], format: int) -> str:
    """The cell `R2 trend` of some runs of a config."""
    return _trends(runs) if format > 1 else _first_trends(runs)


def _trends(runs: Sequence[Run]) -> str:
    """`conn holds 3/4, vrest rises 2/4, holds high 1/4, falls 1/4`: over the runs of which it is known."""
    held = [run.conn_held for run in runs if run.conn_held is not None]
    words = Counter(run.vrest_word for run in runs if run.vrest_word is not None)
    parts = [f"conn holds {sum(held)}/{len(held)}"] if held else []
    parts += [f"vrest rises {words['rises']}/{words.total()}"] if words else []
    others: tuple[VrestWord, ...] = ("holds high", "flat", "falls")
    parts += [f"{word} {words[word]}/{words.total()}" for word in others if words[word]]
    return ", ".join(parts) or "n/a"


def _first_trends(runs: Sequence[Run]) -> str:
    held = [run.conn_held for run in runs if run.conn_held is not None]
    rose = [run.vrest_word == "rises" for run in runs if run.vrest_word is not None]
    told = (("conn holds", held), ("vrest rises", rose))
    return ", ".join(f"{words} {sum(flags)}/{len(flags)}" for words, flags in told if flags) or "n/a"


def _mean(s: Spread) -> str:
    return "n/a" if s.mean is None else f"{s.mean:.3f} +/- {'n/a' if s.std is None else f'{s.std:.3f}'}"


def _percent(cv: float | None) -> str:
    return "n/a" if cv is None else f"{100 * cv:.1f}%"


def update_line(stats: ConfigStats) -> str:
    """The entry's `Variance update:` after the config's newest run."""
    count = f"{len(stats.runs)} run{'s' if len(stats.runs) > 1 else ''}"
    conn, vrest = (_percent(stats.spreads[metric].cv) for metric in ("connectivity_R2", "V_rest_R2"))
    return f"{stats.config_id} now has {count}, CV(conn_R2)={conn}, CV(V_rest_R2)={vrest}"
