"""A ReLU perceptron with hand-written forward and backward passes."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

# Columns handled at once on the CPU, so few that a layer's activations stay in the cache between two operations.
CPU_CHUNK = 8192
# With fewer multiply-adds, setting up a oneDNN product takes longer than it saves.
_SMALL_PRODUCT = 1_500_000
# Columns of one of the many small products into which a GPU's weight gradient is split; see `Perceptron`.
SPLIT = 256


def layer_shapes(n_in: int, hidden: int, n_layers: int) -> list[tuple[int, int]]:
    """Shapes of the augmented matrices of a perceptron ``n_in -> hidden -> ... -> 1`` with ``n_layers`` linear layers.

    Column -1 of each matrix is the bias. Row -1 of every matrix but the last is the constant (0, ..., 0, 1), which
    hands the constant input on to the next layer: a layer is then one product and nothing else.
    """
    widths = [n_in] + [hidden] * (n_layers - 1)
    return [(hidden + 1, width + 1) for width in widths[:-1]] + [(1, widths[-1] + 1)]


def padded(n: int, gpu_way: bool) -> int:
    """Columns to lay out for ``n`` that count: on a GPU whole splits, which are also aligned for its loads."""
    return -(-n // SPLIT) * SPLIT if gpu_way else n


def _onednn_linear(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the fp32 product of oneDNN is there; it uses AVX-512 where the default BLAS stays at half the speed."""
    usable = device.type == "cpu" and dtype == torch.float32 and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return usable and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class Perceptron:
    """Works on feature-major rows: ``x`` is [n_in + 1, R] with a last row of ones, the output [1, R].

    ``matrices`` and ``gradients`` are views (see `layer_shapes`) of one flat parameter and gradient vector; `backward`
    ADDS to ``gradients``, except for the constant rows, which it never touches.

    A weight gradient sums over all R columns into few numbers. On a GPU (or with ``gpu_way``, the same sums in another
    order) each SPLIT columns are one product of a batch, whose results are then summed, so that every multiprocessor
    has work; R is a multiple of SPLIT there, see `padded`. Product and ReLU of a layer are one kernel.
    """

    def __init__(self, matrices: list[Tensor], gradients: list[Tensor], gpu_way: bool | None = None) -> None:
        self.matrices = matrices
        self.gradients = gradients
        # Views made once: weights without biases, transposed, and gradients without the constant rows.
        self._back = [matrix[:-1, :-1].t() for matrix in matrices[:-1]] + [matrices[-1][:, :-1].t()]
        self._gradients = [gradient[:-1] for gradient in gradients[:-1]] + [gradients[-1]]
        device = matrices[0].device
        self._gpu_way = device.type == "cuda" if gpu_way is None else gpu_way
        self._onednn = not self._gpu_way and _onednn_linear(device, matrices[0].dtype)
        self._chunk = 2**62 if self._gpu_way else CPU_CHUNK
        self._zeros: dict[int, Tensor] = {}  # by length; kept for ever, since a CUDA graph reads them where they lie
        self._kept: list[list[Tensor]] = []

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """Fill ``out`` [1, R] and keep the activations for `backward`."""
        self._kept = []
        for chunk in self._chunks(x.shape[1]):
            kept = self._hidden(x[:, chunk])
            torch.mm(self.matrices[-1], kept[-1], out=out[:, chunk])
            self._kept.append(kept)
        return out

    def evaluate(self, x: Tensor) -> Tensor:
        """The output [1, R] alone; keeps nothing and leaves a pending `backward` valid."""
        chunks = self._chunks(x.shape[1])
        return torch.cat([torch.mm(self.matrices[-1], self._hidden(x[:, chunk])[-1]) for chunk in chunks], dim=1)

    def backward(self, d_out: Tensor, d_x: Tensor, first_row: int = 0) -> None:
        """Add the parameter gradients and fill ``d_x`` [k, R], the gradients of input rows first_row..first_row+k-1.

        ``d_out`` [1, R] is the gradient of the output of the last `forward`.
        """
        for chunk, kept in zip(self._chunks(d_out.shape[1]), self._kept, strict=True):
            self._add_products(d_out[:, chunk], kept[-1], len(self.matrices) - 1)
            d = self._through_last(d_out[:, chunk], kept[-1])
            for layer in range(len(self.matrices) - 2, 0, -1):
                self._add_products(d, kept[layer], layer)
                d = self._product(self._back[layer], d)
                mask(d, kept[layer])
            self._add_products(d, kept[0], 0)
            self._to_inputs(d, d_x, first_row, chunk)

    def input_gradient(self, x: Tensor, row: int) -> Tensor:
        """d output / d input ``row``, [1, R]; parameter gradients stay untouched."""
        result = x.new_empty(1, x.shape[1])
        for chunk in self._chunks(x.shape[1]):
            kept = self._hidden(x[:, chunk])
            d = self._through_last(torch.ones_like(result[:, chunk]), kept[-1])
            for layer in range(len(self.matrices) - 2, 0, -1):
                d = self._product(self._back[layer], d)
                mask(d, kept[layer])
            self._to_inputs(d, result, row, chunk)
        return result

    def _hidden(self, x: Tensor) -> list[Tensor]:
        kept = [x.contiguous()]  # oneDNN falls back to a kernel a hundred times slower on strided columns
        for matrix in self.matrices[:-1]:
            kept.append(self._relu_product(matrix, kept[-1]))
        return kept

    def _add_products(self, d: Tensor, h: Tensor, layer: int) -> None:
        """Add d h^T to the gradient of ``layer``, from ``d`` [o, R] and the layer's inputs ``h`` [i, R]."""
        gradient = self._gradients[layer]
        if self._gpu_way:
            left, right = (rows.view(len(rows), -1, SPLIT) for rows in (d, h))
            gradient.add_(torch.bmm(left.transpose(0, 1), right.permute(1, 2, 0)).sum(0))
        elif 0 < layer < len(self.matrices) - 1:
            # oneDNN is a sixth faster in this order of the factors.
            gradient.add_(self._product(h, d.t()).t())
        else:
            gradient.addmm_(d, h.t())

    def _through_last(self, d_out: Tensor, h: Tensor) -> Tensor:
        d = torch.mul(self._back[-1], d_out)
        mask(d, h)
        return d

    def _to_inputs(self, d: Tensor, d_x: Tensor, first_row: int, chunk: slice) -> None:
        rows = slice(first_row, first_row + d_x.shape[0])
        d_x[:, chunk].copy_(torch.mm(self._back[0][rows], d))

    def _chunks(self, n: int) -> list[slice]:
        pieces = max(1, -(-n // self._chunk))
        edges = [n * piece // pieces for piece in range(pieces + 1)]
        return [slice(start, end) for start, end in pairwise(edges)]

    def _product(self, a: Tensor, b: Tensor) -> Tensor:
        if self._onednn and a.shape[0] * a.shape[1] * b.shape[1] >= _SMALL_PRODUCT:
            return product(a, b)
        return torch.mm(a, b)

    def _relu_product(self, a: Tensor, b: Tensor) -> Tensor:
        if self._gpu_way:
            if b.shape[1] not in self._zeros:
                self._zeros[b.shape[1]] = b.new_zeros(b.shape[1])
            # cuBLASLt has a product with bias and ReLU in one; the bias here is already a column of a.
            return torch._addmm_activation(self._zeros[b.shape[1]], a, b)
        if self._onednn and (a.shape[0] * a.shape[1] * b.shape[1] >= _SMALL_PRODUCT or b.shape[1] >= 3000):
            return product(a, b, "relu")
        return torch.mm(a, b).relu_()


def product(a: Tensor, b: Tensor, then: Literal["none", "relu"] = "none") -> Tensor:
    """The product of ``a`` [o, i] and ``b`` [i, R] by oneDNN, [o, R]."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise.default(a, b.t(), None, then, [], "")
    return found


def mask(d: Tensor, h: Tensor) -> None:
    """Zero ``d`` in place where the ReLU output ``h`` (with its constant row) is zero."""
    torch.ops.aten.threshold_backward.grad_input(d, h[:-1], 0, grad_input=d)
