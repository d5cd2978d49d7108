"""memory.md: the program's table comes and goes between its markers, and no text of the model's is ever lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.memory import BEGIN, END, HEADINGS, empty_memory, missing_headings, with_table, without_table

TABLE = "### Variance Estimates\n| Config ID | Runs |\n|---|---|\n| C1 | 12 |\n"
WORDS = ("a finding", "", "  indented", "| C9 | pasted |", "```", *HEADINGS)
# Text that splits into lines otherwise than at \n is text of one line here, and must survive as such.
free_lines = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=12)
lines = st.lists(st.one_of(st.sampled_from(WORDS), free_lines), max_size=8)
marked = st.lists(st.one_of(st.sampled_from((*WORDS, BEGIN, END, f"  {END} ")), free_lines), max_size=12)


def own(memory: str) -> list[str]:
    """The lines that are the model's: all but markers, blanks, the table and the heading that the program may add."""
    table = {BEGIN, END, *TABLE.strip().splitlines()[1:], HEADINGS[0], ""}
    return [line for line in memory.split("\n") if line.strip() not in table]


@given(lines)
def test_the_table_comes_under_its_heading_and_goes_without_a_trace(rows: list[str]) -> None:
    memory = "\n".join(rows)
    table = with_table(memory, TABLE)
    assert table.count(BEGIN) == table.count(END) == 1
    place = table.split("\n").index(BEGIN)
    assert table.split("\n")[place - 1].strip() == HEADINGS[0]
    assert "| C1 | 12 |" in table.split("\n")[place : table.split("\n").index(END)]
    assert own(without_table(table)) == own(memory)


@given(lines)
def test_a_new_table_replaces_the_old_one(rows: list[str]) -> None:
    once = with_table("\n".join(rows), TABLE)
    assert with_table(once, TABLE) == once
    assert "| C1 | 12 |" not in with_table(once, TABLE.replace("12", "13"))


@given(marked)
def test_text_outside_the_markers_survives_whatever_the_model_did_to_them(rows: list[str]) -> None:
    kept, inside = [], False
    for number, row in enumerate(rows):
        if row.strip() == BEGIN and _closed(rows[number + 1 :]):
            inside = True
        if not inside and row.strip() not in (BEGIN, END):
            kept.append(row)
        inside = inside and row.strip() != END
    assert set(own("\n".join(kept))) <= set(own(without_table("\n".join(rows))))
    assert set(own("\n".join(kept))) <= set(own(with_table("\n".join(rows), TABLE)))


def _closed(later: list[str]) -> bool:
    """Whether the next marker in ``later`` is an end."""
    return next((row.strip() == END for row in later if row.strip() in (BEGIN, END)), False)


@pytest.mark.parametrize(
    ("memory", "want"),
    [
        (f"a\n{BEGIN}\nold\n{END}\nb", "a\nb"),
        (f"a\n{BEGIN}\nlost its end\nb", "a\nlost its end\nb"),
        (f"a\n{END}\nb", "a\nb"),
        (f"a\n{BEGIN}\nfirst\n{BEGIN}\nold\n{END}\nb", "a\nfirst\nb"),
        (f"{BEGIN}\nx\n{END}\na\n{BEGIN}\ny\n{END}\n", "a\n"),
    ],
)
def test_lost_and_doubled_markers(memory: str, want: str) -> None:
    assert without_table(memory) == want


def test_headings() -> None:
    assert missing_headings(empty_memory("night")) == []
    assert missing_headings(empty_memory("night").replace("### Open Questions", "### Questions")) == [
        "### Open Questions"
    ]
    assert missing_headings("") == list(HEADINGS)
    assert missing_headings(with_table("", TABLE)) == list(HEADINGS[1:])
