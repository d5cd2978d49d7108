"""Numbers, prose and mutations survive being written and read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.config import Scalar, SlotConfig, difference
from tests.ucb.strategies import changes, names, nodes, prose, roles, scalars
from ucb.grammar import (
    LogError,
    leaves,
    one_line,
    parse_mutation,
    read_number,
    read_pairs,
    read_scalar,
    render_mutation,
    show_number,
    show_pairs,
    show_scalar,
)


@given(prose)
def test_prose_becomes_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert line.splitlines() in ([], [line])
    assert line == line.strip()
    assert line.encode("utf-8").decode("utf-8") == line
    assert one_line(line) == line


def test_prose_keeps_its_words() -> None:
    assert one_line("  R² rose\n\tby 0.03 → “good”\x1b[31m ") == "R² rose by 0.03 → “good” [31m"


@given(scalars)
def test_scalar_round_trip_keeps_type_and_value(value: Scalar) -> None:
    back = read_scalar(show_scalar(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "text", ["nan", "inf", "1e999", "-1e999", "1_0", "", "1 2", '"open', "a-b", "0x10", "9" * 5000]
)
def test_other_scalars_are_refused(text: str) -> None:
    with pytest.raises(LogError, match="expected"):
        read_scalar(text)


@pytest.mark.parametrize(
    ("text", "value"), [("9.5e-05", 9.5e-05), ("-1.027E+28", -1.027e28), ("5", 5.0), ("nan", None), (".5", 0.5)]
)
def test_numbers_are_read_whole(text: str, value: float | None) -> None:
    assert read_number(text) == value


@given(st.none() | st.floats(allow_nan=False, allow_infinity=False))
def test_number_round_trip(value: float | None) -> None:
    back = read_number(show_number(value))
    assert back == value
    assert str(back) == str(value)


@given(changes, roles, st.none() | nodes)
def test_mutation_round_trip(found: dict[str, tuple[Scalar, Scalar]], role: str, source: int | None) -> None:
    back = parse_mutation(render_mutation(found, role, source))  # type: ignore[arg-type]
    assert back == found
    assert [tuple(map(type, pair)) for pair in back.values()] == [tuple(map(type, pair)) for pair in found.values()]


def test_mutation_is_written_as_the_addendum_says() -> None:
    base = SlotConfig()
    child = base.replaced({"training.alternate_joint_ratio": 0.3, "training.n_epochs": 3})
    text = render_mutation(difference(base, child), "exploit", 4)
    assert sorted(text.split(", ")) == ["alternate_joint_ratio: 0.4 -> 0.3", "n_epochs: 2 -> 3"]
    assert render_mutation({}, "replicate", 7) == "[none] — robustness re-run of Node 7"
    assert render_mutation({}, "baseline", None) == "[none] — baseline, campaign defaults unchanged"


@pytest.mark.parametrize(
    "text",
    [
        "alternate_joint_ratio: 0.4 → 0.3",
        "n_epochs: 2 -> 3, n_epochs: 3 -> 4",
        "n_epochs: 2 -> 3,",
        "n_epochs: 2 -> 3, ",
        "n_epochs: 2 -> 3; lr: 1 -> 2",
        "n_epochs: 2 -> 3 (more)",
        "[none] — robustness re-run of Node 0",
        "[none]",
        "none",
        "",
    ],
)
def test_other_mutations_are_refused(text: str) -> None:
    with pytest.raises(LogError, match="expected"):
        parse_mutation(text)


def test_keys_that_share_their_last_part_are_refused() -> None:
    with pytest.raises(LogError, match="differ in their last part"):
        leaves({"training.seed": (1, 2), "simulation.seed": (1, 2)})


@given(st.dictionaries(names, scalars.map(show_scalar), min_size=1, max_size=5))
def test_pairs_round_trip(pairs: dict[str, str]) -> None:
    assert read_pairs(show_pairs(pairs)) == pairs


@pytest.mark.parametrize("read", [read_pairs, parse_mutation, read_scalar, read_number])
@given(text=st.text(max_size=80))
def test_any_text_is_read_or_refused(read: Callable[[str], object], text: str) -> None:
    with suppress(LogError):
        read(text)
