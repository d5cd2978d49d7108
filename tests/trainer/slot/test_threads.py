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


@pytest.mark.parametrize(("slower", "rounds"), [(0.5, 3), (10.0, 1)])
def test_each_number_is_timed_in_turn_but_a_hopeless_one_only_once(
    monkeypatch: pytest.MonkeyPatch, slower: float, rounds: int
) -> None:
    before, clock, seen = torch.get_num_threads(), [0.0], []

    def run(iterations: int) -> None:
        threads = torch.get_num_threads()
        seen.append((threads, iterations))
        clock[0] += 0.04 * iterations * (1.0 if threads == 1 else slower)

    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    found = time_iterations(run, 2)
    assert found == pytest.approx({1: 0.04, 2: 0.04 * slower})
    assert choose(found) == (2 if slower < 1 else 1)
    assert seen[:3] == [(1, 1), (1, 3), (2, 1)]
    assert seen.count((2, 1)) == rounds
    assert seen.count((1, 3)) == 3
    assert torch.get_num_threads() == before
