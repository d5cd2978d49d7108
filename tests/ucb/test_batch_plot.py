"""The picture of a batch is drawn whatever the slots left, and shows where the V_rest phases are."""

from __future__ import annotations

import io

import numpy as np
from matplotlib import image
from numpy.typing import NDArray

from state.records import Phase, TrajectoryPoint
from ucb.batch_plot import Slot, _vrest_spans, plot_batch
from ucb.variance import ConfigStats, Run


def points(*values: float | None, phase: Phase = "joint", first: int = 100) -> list[TrajectoryPoint]:
    return [
        TrajectoryPoint(epoch=0, iteration=first * n, connectivity_r2=v, vrest_r2=v, tau_r2=None, phase=phase)
        for n, v in enumerate(values, start=1)
    ]


def config(name: str, *values: float | None) -> ConfigStats:
    runs = [
        Run(
            name, number, 1000 + number, 5000, None if value is None else {"connectivity_R2": value, "V_rest_R2": value}
        )
        for number, value in enumerate(values, start=1)
    ]
    return ConfigStats(name, tuple(runs))


def drawn(slots: list[Slot], configs: list[ConfigStats]) -> NDArray[np.float32]:
    return np.asarray(image.imread(io.BytesIO(plot_batch(slots, configs, configs[0] if configs else None))))


def test_slots_without_a_row_and_failed_runs_are_drawn() -> None:
    slots = [Slot("slot 0", 1, points(0.1, None, 0.9)), Slot("slot 1", 2, []), Slot("slot 2", 3, points(None))]
    shown = drawn(slots, [config("C1", 0.9, None, 0.95), config("C2", 0.2)])
    assert 1000 < shown.shape[1] <= 1568
    assert not np.array_equal(shown, drawn(slots, [config("C1", 0.9, 0.4, 0.95), config("C2", 0.2)]))


def test_a_batch_in_which_nothing_came_of_anything_is_drawn() -> None:
    assert drawn([Slot(f"slot {n}", n, []) for n in range(4)], []).size


def test_sixteen_slots_and_long_nights_fit() -> None:
    slots = [Slot(f"slot {n}: node {n}, C{n}", n, points(0.5, 0.6)) for n in range(16)]
    assert drawn(slots, [config(f"C{n}", *np.linspace(0.5, 0.9, 40)) for n in range(24)]).shape[1] <= 1568


def test_spans_reach_from_the_last_row_before_a_phase_to_its_end() -> None:
    rows = [*points(0.1, 0.2), *points(0.3, 0.4, phase="V_rest", first=300), *points(0.5, first=900)]
    assert _vrest_spans(rows) == [(200, 600)]
    assert _vrest_spans(points(0.1, phase="V_rest")) == [(0, 100)]
    assert _vrest_spans([]) == []
