"""A predecessor's memory becomes the first one, marked, within the limits of a memory."""

from __future__ import annotations

import pytest

from agent.predecessor.memory import HEADING, start_memory
from prompts.memory import BEGIN, END, HEADINGS, MAX_LINES, missing_headings, with_table
from state.errors import UserError


def test_it_is_quoted_below_its_own_heading_and_takes_no_heading_of_the_run() -> None:
    memory = start_memory("n", "### Established Principles\nlr_ratio 0.05 \x1b[2Jholds\n")
    assert missing_headings(memory) == []
    assert [line for line in memory.splitlines() if line in HEADINGS] == list(HEADINGS)
    assert memory.endswith(f"{HEADING}\n> ### Established Principles\n> lr_ratio 0.05  [2Jholds\n")


def test_a_table_that_a_program_wrote_is_left_out() -> None:
    memory = start_memory("n", with_table("mine\n", "| C1 | 0.9 |"))
    assert "0.9" not in memory
    assert BEGIN not in memory
    assert END not in memory
    assert "> mine\n" in memory


def test_one_that_is_too_large_is_refused_with_its_size() -> None:
    fitting = MAX_LINES - len(start_memory("n", "x").splitlines()) + 1
    assert len(start_memory("n", "x\n" * fitting).splitlines()) == MAX_LINES
    with pytest.raises(UserError, match=r"it has 501 lines and .* more than the 500 lines and 60,000 characters"):
        start_memory("n", "x\n" * (fitting + 1))
    with pytest.raises(UserError, match=r"has 14 lines and 60,[0-9]{3} characters"):
        start_memory("n", "x" * 60_000)
