"""How many threads a training is worth: the fewest that are clearly faster than fewer, by timed iterations."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

ROUNDS, ITERATIONS = 3, 3
# An iteration shorter than this runs on one thread: its parts are shorter than a thread waits for another one that the
# machine's other programs have put aside.
SHORT_S = 0.005
# More threads must save a fifth, else the cores are worth more to others.
WORTH = 0.8
HOPELESS = 3.0  # times the iteration on one thread


def candidates(most: int) -> list[int]:
    """1, 2, 4, ... and ``most``."""
    return sorted({most, *(2**power for power in range(most.bit_length()) if 2**power <= most)})


def time_iterations(run: Callable[[int], None], most: int) -> dict[int, float]:
    """Threads -> seconds an iteration, the median of a few rounds in turn; ``run`` trains so many iterations.

    Leaves the process with the number of threads that it had.
    """
    before = torch.get_num_threads()
    taken: dict[int, list[float]] = {threads: [] for threads in candidates(most)}
    hopeless: set[int] = set()
    try:
        for _ in range(ROUNDS):
            for threads in sorted(taken.keys() - hopeless):
                torch.set_num_threads(threads)
                first = _seconds(run, 1)
                # Beside other load threads may wait for each other for minutes; that need not be measured twice.
                if taken[1] and first > HOPELESS * taken[1][0]:
                    hopeless.add(threads)
                taken[threads].append(first if threads in hopeless else _seconds(run, ITERATIONS))
    finally:
        torch.set_num_threads(before)
    return {threads: statistics.median(seconds) for threads, seconds in taken.items()}


def _seconds(run: Callable[[int], None], iterations: int) -> float:
    began = time.perf_counter()
    run(iterations)
    return (time.perf_counter() - began) / iterations


def choose(seconds: dict[int, float]) -> int:
    """The number of threads to train with, from what `time_iterations` has found."""
    best = 1
    if seconds[1] < SHORT_S:
        return best
    for threads in sorted(seconds):
        if seconds[threads] < WORTH * seconds[best]:
            best = threads
    return best
