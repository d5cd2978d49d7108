"""The order of untried configs is that of their means, whatever changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ucb.untried import Untried

NAMES = st.sampled_from("abcdef")
STEPS = st.lists(
    st.tuples(st.just("run"), NAMES, st.none() | st.integers(0, 9))
    | st.tuples(st.just("remove"), NAMES, st.none())
    | st.tuples(st.just("limit"), NAMES, st.integers(0, 3))
    | st.tuples(st.just("ask"), NAMES, st.integers(0, 9))
)


@given(STEPS)
def test_those_above_are_those_that_a_look_at_all_would_find(steps: list[tuple[str, str, int | None]]) -> None:
    heights: dict[str, int | None] = {}
    limit = 0

    def mean(name: str) -> float | None:
        # The limit of bad runs moves every mean.
        height = heights[name]
        return None if height is None else float(height + limit)

    untried = Untried(mean)
    for step, name, value in [*steps, ("ask", "a", 4)]:
        if step == "run":
            heights[name] = value
            untried.changed(name)
        elif step == "remove":
            heights.pop(name, None)
            untried.remove(name)
        elif step == "limit":
            limit = value or 0
        else:
            assert value is not None
            want = {one for one in heights if (known := mean(one)) is not None and known >= value}
            assert sorted(untried.above(value, limit)) == sorted(want)
        assert all((one in untried) == (one in heights) for one in "abcdef")
