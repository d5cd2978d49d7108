"""Training iterations on a GPU as one replayed CUDA graph: one launch an iteration, nothing read back in between.

All that changes from one iteration to the next - frames, Adam's corrections, the penalties' subset - stands in tables
on the device, and the device counts for itself which row is next. Each training has a stream of its own, so that a GPU
works on the iterations of several trainings of one process at the same time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainer.fit.adam import Adam
from trainer.fit.step import Step

WARM_UP = 3


class GraphedIterations:
    """Runs blocks of at most ``longest`` iterations. ``capture`` False calls the same body directly, for tests."""

    def __init__(self, step: Step, adam: Adam, longest: int, capture: bool = True) -> None:
        device = adam.theta.device
        self._step, self._adam = step, adam
        self._frames = torch.zeros(longest, step.batch, dtype=torch.long, device=device)
        self._factors = torch.ones(longest, 2, dtype=adam.theta.dtype, device=device)
        self._row, self._turn = (torch.zeros(1, dtype=torch.long, device=device) for _ in range(2))
        self._subsets = step.signal_penalties.table()
        # For capture as well: cuBLAS has one workspace a stream, which graphs that run side by side must not share.
        self._stream: torch.cuda.Stream | None = torch.cuda.Stream() if capture else None  # type: ignore[no-untyped-call]
        self._replay: Callable[[], object] = self._body if self._stream is None else self._capture(self._stream)

    def run(self, frames: Tensor, first: int) -> None:
        """The iterations ``first``, ``first + 1``, ... on ``frames`` [n, B]; Adam must have prepared n steps."""
        self.begin(frames, first)
        self.join()

    def begin(self, frames: Tensor, first: int) -> None:
        """As `run`, without waiting: nothing may touch the training until `join`."""
        n = len(frames)
        self._frames[:n].copy_(frames)
        self._factors[:n].copy_(self._adam.factors)
        self._row.zero_()
        self._turn.fill_(first % self._step.signal_penalties.stride)
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):  # None: nothing is changed
            for _ in range(n):
                self._replay()

    def join(self) -> None:
        """Have all later work wait for what was begun."""
        if self._stream is not None:
            torch.cuda.current_stream().wait_stream(self._stream)

    def _body(self) -> None:
        frames = self._frames.index_select(0, self._row).view(-1)
        factor, offset = self._factors.index_select(0, self._row).view(-1).unbind()
        subset = None if self._subsets is None else self._subsets.index_select(0, self._turn).view(-1)
        self._step.run(frames, subset)
        self._adam.apply(factor, offset)
        self._row.add_(1)
        self._turn.add_(1).remainder_(self._step.signal_penalties.stride)

    def _capture(self, stream: torch.cuda.Stream) -> Callable[[], object]:
        """Record the body once; the iterations that warm up the allocator and the libraries are undone."""
        kept = [part.clone() for part in self._changed()]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._row.zero_()
                self._body()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            self._body()
        for part, before in zip(self._changed(), kept, strict=True):
            part.copy_(before)
        return graph.replay

    def _changed(self) -> list[Tensor]:
        return [self._adam.theta, *self._adam.state(), self._row, self._turn]
