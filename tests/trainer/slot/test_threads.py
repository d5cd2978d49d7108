"""How many threads: by size, by measured speed, never more than is worth it; the same number gives the same bits."""

from __future__ import annotations

import pytest
import torch

from trainer.slot.threads import candidates, choose, time_iterations


@pytest.mark.parametrize(("most", "want"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (16, [1, 2, 4, 8, 16])])
def test_what_is_tried(most: int, want: list[int]) -> None:
    assert candidates(most) == want


@pytest.mark.parametrize(
    ("seconds", "want"),
    [
        ({1: 0.040, 2: 0.024}, 2),
        ({1: 0.040, 2: 0.036}, 1),  # a tenth faster is not worth a core
        ({1: 0.040, 2: 0.400}, 1),  # they wait for each other beside other load
        ({1: 0.002, 2: 0.001}, 1),  # too short, however fast it looks
        ({1: 0.100, 2: 0.055, 4: 0.050, 8: 0.030}, 8),
    ],
)
def test_more_threads_must_be_worth_it(seconds: dict[int, float], want: int) -> None:
    assert choose(seconds) == want


def test_each_number_is_timed_in_turn_and_the_process_keeps_its_own() -> None:
    before, seen = torch.get_num_threads(), []

    def run(iterations: int) -> None:
        seen.append((torch.get_num_threads(), iterations))

    assert set(time_iterations(run, 2)) == {1, 2}
    assert seen[:4] == [(1, 1), (1, 3), (2, 1), (2, 3)]
    assert len(seen) == 3 * 4
    assert torch.get_num_threads() == before
