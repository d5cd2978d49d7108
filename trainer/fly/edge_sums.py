"""The sums over edges: messages from sources to targets and their gradients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Ints = NDArray[Any]
PIECE = 16  # edges summed in one go on a GPU; at full size the gaps then are a quarter

# A row of 2 or 4 float32 values is gathered as one 8- or 16-byte element: one memory access an edge, not 2 or 4.
_PACKED = {8: torch.complex64, 16: torch.complex128}


class SparseMatrix:
    """A matrix [N, N] of edges sorted by row, whose ``values`` [E] are read anew at every product.

    Each row is summed in a fixed order, without atomics, so products repeat bit for bit. On the CPU that is torch's CSR
    product; on a GPU, where cuSPARSE's default algorithm promises no order, sums over pieces of rows (`_Pieces`).
    ``edge`` [E]: the values' places, where they stand in another order than the edges.
    """

    def __init__(
        self, row: Ints, column: Ints, values: Tensor, n: int, in_pieces: bool | None = None, edge: Ints | None = None
    ) -> None:
        self._values = values
        row, column = np.asarray(row), np.asarray(column)
        in_pieces = values.device.type == "cuda" if in_pieces is None else in_pieces
        self._pieces: _Pieces | None = None
        self._order: Tensor | None = None
        if in_pieces and len(row):  # a piece's gaps need a value to read
            self._pieces = _Pieces(row, column, np.arange(len(row)) if edge is None else edge, n, values.device)
            return
        if edge is not None:
            self._order = torch.as_tensor(edge.astype(np.int32), device=values.device)
            self._values, self._unordered = values.clone(), values
        self._csr = _csr(_pointer(row, n), column, self._values, n)

    def dot(self, x: Tensor) -> Tensor:
        """The product with ``x`` [N, B], [N, B]."""
        if self._pieces is not None:
            return self._pieces.dot(self._values, x)
        if self._order is not None:
            torch.index_select(self._unordered, 0, self._order, out=self._values)
        return torch.mm(self._csr, x)


class _Pieces:
    """Row sums as two dense sums: pieces of at most PIECE edges of one row, and the pieces of each row.

    One thread a row would take as many steps as the largest row has edges (256 at full size), while most wait.
    """

    def __init__(self, row: Ints, column: Ints, edge: Ints, n: int, device: torch.device) -> None:
        degree = np.bincount(row, minlength=n)
        of_row = -(-degree // PIECE)
        first_piece, first_edge = np.cumsum(of_row) - of_row, np.cumsum(degree) - degree
        # One piece more, of gaps alone: it is 0, and fills up the rows of few pieces.
        self.n_pieces, self.most = int(of_row.sum()) + 1, max(1, int(of_row.max(initial=0)))
        place = np.arange(len(row)) - first_edge[row]
        piece, step = first_piece[row] + place // PIECE, place % PIECE
        # A gap reads the zero behind the last row of x, and any value.
        source, value = np.full((PIECE, self.n_pieces), n), np.zeros((PIECE, self.n_pieces))
        source[step, piece], value[step, piece] = column, edge
        count = np.arange(self.most)[:, None]
        pieces = np.where(count < of_row, first_piece + count, self.n_pieces - 1)
        self._source, self._value, self._of_row = (
            torch.as_tensor(index.ravel().astype(np.int32), device=device) for index in (source, value, pieces)
        )

    def dot(self, values: Tensor, x: Tensor) -> Tensor:
        # Sums over the first axis: neighbouring threads read neighbouring numbers.
        terms = gather_rows(torch.nn.functional.pad(x, (0, 0, 0, 1)), self._source)
        terms.mul_(values.index_select(0, self._value)[:, None])
        pieces = terms.view(PIECE, self.n_pieces, -1).sum(0)
        return gather_rows(pieces, self._of_row).view(self.most, len(x), -1).sum(0)


class EdgeSums:
    """Edges sorted by (target, source); W is a view [E] of the flat parameters, read anew at every call.

    Rows are neuron-major, [N, B], so that one edge touches the frames of a batch side by side.
    """

    def __init__(
        self, source: Ints, target: Ints, n_neurons: int, weight: Tensor, in_pieces: bool | None = None
    ) -> None:
        source, target = np.asarray(source), np.asarray(target)
        self.n_neurons, self.weight = n_neurons, weight
        self.source, self.target = (
            torch.as_tensor(ends.astype(np.int32), device=weight.device) for ends in (source, target)
        )
        self._forward = SparseMatrix(target, source, weight, n_neurons, in_pieces)
        order = np.argsort(source.astype(np.int64) * n_neurons + target, kind="stable")
        self._backward = SparseMatrix(source[order], target[order], weight, n_neurons, in_pieces, order)

    def send(self, signal: Tensor) -> Tensor:
        """msg[i] = sum over edges j -> i of W_ij signal[j]; [N, B] -> [N, B]."""
        return self._forward.dot(signal)

    def back(self, d_message: Tensor) -> Tensor:
        """Gradient of the signal [N, B] from that of the messages [N, B]."""
        return self._backward.dot(d_message)

    def weight_gradient(self, d_message: Tensor, signal: Tensor, out: Tensor) -> None:
        """out[e] = sum over the batch of d_message[target e] * signal[source e]; both [N, B], ``out`` [E]."""
        product = gather_rows(d_message, self.target).mul_(gather_rows(signal, self.source))
        torch.sum(product, 1, out=out) if product.shape[1] > 8 else _short_row_sums(product, out)


def _short_row_sums(rows: Tensor, out: Tensor, by_column: bool | None = None) -> None:
    """The sums [R] of ``rows`` [R, B] for few B: column by column for two, and on a GPU; else a product with ones."""
    n = rows.shape[1]
    if n != 1 and (rows.device.type == "cuda" or n == 2 if by_column is None else by_column):
        first, second, *others = rows.unbind(1)
        torch.add(first, second, out=out)
        for column in others:
            out.add_(column)
    else:
        torch.mv(rows, rows.new_ones(n), out=out)


def gather_rows(rows: Tensor, index: Tensor) -> Tensor:
    """rows[index] for contiguous [N, B]; rows of 8 or 16 bytes are moved as one element each."""
    packed = _PACKED.get(rows.shape[1] * rows.element_size())
    if packed is None or not rows.is_floating_point():
        return rows.index_select(0, index)
    flat = rows.view(packed).view(-1).index_select(0, index)
    return flat.view(rows.dtype).view(-1, rows.shape[1])


def light_of(input_index: Ints, n: int, device: torch.device) -> Tensor:
    """Which input [N] each of ``n`` neurons is, and for the others the number of inputs: a column of zeros behind."""
    column = np.full(n, len(input_index), np.int32)
    column[input_index] = np.arange(len(input_index))
    return torch.as_tensor(column, device=device)


def _pointer(row: Ints, n: int) -> Tensor:
    return torch.as_tensor(np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))]).astype(np.int32))


def _csr(pointer: Tensor, column: Ints, values: Tensor, n: int) -> Tensor:
    """A CSR matrix [n, n] whose values alias ``values``."""
    columns = torch.as_tensor(column.astype(np.int32), device=values.device)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse (CSR tensor support is in beta|invariant checks)")
        return torch.sparse_csr_tensor(pointer.to(values.device), columns, values, size=(n, n), check_invariants=False)
