"""Works that stop now and then, each inside a context of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from trainer.fit.turns import Turns, outcome_of, within


def work(name: str, n: int, said: list[str]) -> Turns[str]:
    for turn in range(n):
        said.append(f"{name}{turn}")
        yield
    return name


def test_a_context_is_there_in_each_turn_and_in_none_of_others() -> None:
    open_now: list[str] = []

    @contextmanager
    def context() -> Iterator[None]:
        assert open_now == []
        open_now.append("one")
        yield
        open_now.pop()

    said: list[str] = []
    one, other = within(context, work("a", 2, said)), within(context, work("b", 3, said))
    for turns in (one, other, one, other):
        next(turns)
        assert open_now == []
    assert said == ["a0", "b0", "a1", "b1"]
    assert (outcome_of(one), outcome_of(other)) == ("a", "b")
    assert said[-1] == "b2"


def test_inference_mode_is_left_between_turns_that_are_taken_in_any_order() -> None:
    def steps() -> Turns[None]:
        value = torch.zeros(1)
        while float(value) < 2:
            value.add_(1)
            assert torch.is_inference_mode_enabled()
            yield

    first, second = within(torch.inference_mode, steps()), within(torch.inference_mode, steps())
    next(first)
    next(second)
    outcome_of(first)
    assert not torch.is_inference_mode_enabled()
    outcome_of(second)


def test_an_error_ends_context_and_work() -> None:
    left: list[bool] = []

    @contextmanager
    def context() -> Iterator[None]:
        try:
            yield
        finally:
            left.append(True)

    def fails() -> Turns[None]:
        yield
        raise ValueError("no")

    turns = within(context, fails())
    next(turns)
    with pytest.raises(ValueError, match="no"):
        next(turns)
    assert left == [True, True]
