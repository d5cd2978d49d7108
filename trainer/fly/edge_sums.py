"""The sums over edges: messages from sources to targets and their gradients."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

# A row of 2 or 4 float32 values is gathered as one 8- or 16-byte element: one memory access an edge, not 2 or 4.
_PACKED = {8: torch.complex64, 16: torch.complex128}


class SparseMatrix:
    """A matrix [N, N] of edges sorted by row, whose ``values`` [E] are read anew at every product.

    Each row is summed by one worker in the order of its edges, without atomics, so products repeat bit for bit. On the
    CPU that is torch's CSR product; on a GPU, where cuSPARSE's default algorithm promises no order, a segmented sum.
    """

    def __init__(self, row: Tensor, column: Tensor, values: Tensor, n: int, segmented: bool | None = None) -> None:
        self._column, self._values = column.contiguous(), values
        self._segmented = values.device.type == "cuda" if segmented is None else segmented
        counts = torch.bincount(row.long(), minlength=n)
        self._pointer = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self._csr = None if self._segmented else _csr(self._pointer.int(), self._column, values, n)

    def dot(self, x: Tensor) -> Tensor:
        """The product with ``x`` [N, B], [N, B]."""
        if self._csr is not None:
            return torch.mm(self._csr, x)
        terms = x.index_select(0, self._column).mul_(self._values[:, None])
        # unsafe: the offsets are made here; checking them on a GPU would wait for the device.
        return torch.segment_reduce(terms, "sum", offsets=self._pointer, axis=0, initial=0, unsafe=True)


class EdgeSums:
    """Edges sorted by (target, source); W is a view [E] of the flat parameters, read anew at every call.

    Rows are neuron-major, [N, B], so that one edge touches the frames of a batch side by side.
    """

    def __init__(
        self, source: Tensor, target: Tensor, n_neurons: int, weight: Tensor, segmented: bool | None = None
    ) -> None:
        self.source, self.target, self.n_neurons = source.int(), target.int(), n_neurons
        self.weight = weight
        self._forward = SparseMatrix(self.target, self.source, weight, n_neurons, segmented)
        order = torch.argsort(source.long() * n_neurons + target.long())
        self._order = order.int()
        self._weight_by_source = weight.clone()
        rows, columns = self.source[order], self.target[order]
        self._backward = SparseMatrix(rows, columns, self._weight_by_source, n_neurons, segmented)

    def send(self, signal: Tensor) -> Tensor:
        """msg[i] = sum over edges j -> i of W_ij signal[j]; [N, B] -> [N, B]."""
        return self._forward.dot(signal)

    def back(self, d_message: Tensor) -> Tensor:
        """Gradient of the signal [N, B] from that of the messages [N, B]."""
        torch.index_select(self.weight, 0, self._order, out=self._weight_by_source)
        return self._backward.dot(d_message)

    def weight_gradient(self, d_message: Tensor, signal: Tensor, out: Tensor) -> None:
        """out[e] = sum over the batch of d_message[target e] * signal[source e]; both [N, B], ``out`` [E]."""
        product = gather_rows(d_message, self.target).mul_(gather_rows(signal, self.source))
        torch.sum(product, 1, out=out) if product.shape[1] > 8 else _short_row_sums(product, out)


def _short_row_sums(rows: Tensor, out: Tensor) -> None:
    # For rows this short a product with ones is faster than sum().
    torch.mv(rows, rows.new_ones(rows.shape[1]), out=out)


def gather_rows(rows: Tensor, index: Tensor) -> Tensor:
    """rows[index] for contiguous [N, B]; rows of 8 or 16 bytes are moved as one element each."""
    packed = _PACKED.get(rows.shape[1] * rows.element_size())
    if packed is None or not rows.is_floating_point():
        return rows.index_select(0, index)
    flat = rows.view(packed).view(-1).index_select(0, index)
    return flat.view(rows.dtype).view(-1, rows.shape[1])


def _csr(pointer: Tensor, column: Tensor, values: Tensor, n: int) -> Tensor:
    """A CSR matrix [n, n] whose values alias ``values``."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(pointer, column, values, size=(n, n), check_invariants=False)
