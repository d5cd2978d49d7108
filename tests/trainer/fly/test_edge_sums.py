"""Sums over edges against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.fly.edge_sums import PIECE, EdgeSums, SparseMatrix, gather_rows


@pytest.mark.parametrize("in_pieces", [False, True], ids=["cpu", "gpu's way"])
@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 9), st.floats(0, 1), st.integers(0, 2**20))
def test_sums_equal_dense_products(in_pieces: bool, n: int, batch: int, density: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(n, n, generator=generator) <= density
    target, source = mask.nonzero(as_tuple=True)
    weight = torch.randn(len(source), generator=generator, dtype=torch.float64)
    dense = torch.zeros(n, n, dtype=torch.float64)
    edges = EdgeSums(source.numpy(), target.numpy(), n, weight, in_pieces)
    weight.mul_(2.0)  # the sums must follow the parameters
    dense[target, source] = weight
    signal, d_message = (torch.randn(n, batch, generator=generator, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(edges.send(signal), dense @ signal)
    torch.testing.assert_close(edges.back(d_message), dense.t() @ d_message)
    out = torch.empty_like(weight)
    edges.weight_gradient(d_message, signal, out)
    torch.testing.assert_close(out, (d_message @ signal.t())[target, source])


def test_rows_of_many_pieces_and_of_none_are_summed() -> None:
    row = np.repeat([0, 2, 4], [PIECE, 3 * PIECE + 1, 1])
    column = np.arange(len(row)) % 5
    values, x = torch.randn(len(row), dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    both = [SparseMatrix(row, column, values, 5, in_pieces).dot(x) for in_pieces in (False, True)]
    torch.testing.assert_close(*both)
    assert not both[1][[1, 3]].any()


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 8, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gather_rows_equals_indexing(batch: int, dtype: torch.dtype) -> None:
    rows = torch.randn(20, batch, dtype=dtype)
    index = torch.randint(20, (50,), dtype=torch.int32)
    assert torch.equal(gather_rows(rows, index), rows[index.long()])
