"""The table of slots in a narrow terminal: whole words and figures, in fewer columns."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from agent.people.progress import SlotProgress
from agent.people.slot_table import slot_table
from state.metrics import traced

ROWS = [
    SlotProgress(
        slot=slot,
        iteration=1234,
        config_id="C17",
        role="principle-test",
        state="running",
        stage="training",
        phase="V_rest",
        step=102_400,
        total=256_000,
        metrics=dict.fromkeys(traced(), 0.9441),
        eta_s=4523.0,
    )
    for slot in range(4)
]


@pytest.mark.parametrize(
    ("width", "columns"), [(60, "iter"), (80, "iter left"), (140, "role config slot iteration left")]
)
def test_a_table_fits_and_no_cell_is_cut(width: int, columns: str) -> None:
    text = drawn(width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in text
    # One line a slot, and four of the frame: nothing is wrapped.
    assert len(lines) == len(ROWS) + 4
    for name in (*columns.split(), "state", "R2"):
        assert name in lines[1]
    assert text.count("0.944") == len(ROWS) * len(traced())


def test_with_much_room_nothing_is_left_out() -> None:
    assert "principle-test" in drawn(200)
    assert "102,400/256,000" in drawn(200)


def drawn(width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(slot_table(ROWS, console))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
