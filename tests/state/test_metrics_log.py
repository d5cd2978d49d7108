"""What the worker writes row by row is read back by the driver, half-written rows and strange files left out."""

from __future__ import annotations

import pytest

from state.metrics_log import header, read_column, row
from state.records import TrajectoryPoint

POINT = TrajectoryPoint(epoch=1, iteration=640, connectivity_r2=0.5, vrest_r2=None, tau_r2=-0.25, phase="V_rest")


def test_rows_are_read_back() -> None:
    text = f"{header()}\n{row(POINT)}\n{row(POINT.model_copy(update={'iteration': 1280, 'vrest_r2': 0.1}))}\n"
    assert list(read_column(text, "vrest_r2")) == [(640, None), (1280, 0.1)]
    assert list(read_column(text, "tau_r2")) == [(640, -0.25), (1280, -0.25)]


@pytest.mark.parametrize("tail", ["1,1280,0.5", f"{row(POINT)}", "1,x,0.5,0.5,0.5,joint\n", "nonsense\n"])
def test_what_is_no_whole_row_ends_the_reading(tail: str) -> None:
    assert list(read_column(f"{header()}\n{row(POINT)}\n{tail}", "connectivity_r2")) == [(640, 0.5)]


@pytest.mark.parametrize("text", ["", "\n", "epoch,phase\n0,joint\n", "PNG\0"])
def test_a_file_without_the_column_has_no_rows(text: str) -> None:
    assert list(read_column(text, "connectivity_r2")) == []
