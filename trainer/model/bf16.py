"""A perceptron whose large products are in bfloat16, for CPUs that multiply those twice as fast."""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.model.perceptron import Perceptron, mask, product


def bf16_is_there(device: torch.device) -> bool:
    """Whether oneDNN has products in bfloat16 on ``device``; they are fast on CPUs with AVX512-BF16 or AMX."""
    there = device.type == "cpu" and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return there and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Bf16Perceptron(Perceptron):
    """`Perceptron` with another `forward` and `backward`; what is evaluated outside training stays in float32.

    Only between hidden layers, where nearly all the work is, weights, activations and gradients are rounded to
    bfloat16 (8 bits of fraction; within a product sums are in float32). The first layer sees the states and the last
    one gives the output in float32, and so gradients are summed over the chunks and parameters are kept.
    """

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """Fill ``out`` [1, R] and keep the activations for `backward`: the last ones in float32."""
        between = [matrix.bfloat16() for matrix in self.matrices[1:-1]]
        self._kept = []
        for chunk in self._chunks(x.shape[1]):
            columns = x[:, chunk].contiguous()
            kept = [columns, self._relu_product(self.matrices[0], columns).bfloat16()]
            for matrix in between:
                kept.append(product(matrix, kept[-1], "relu"))
            kept.append(kept[-1].float())
            torch.mm(self.matrices[-1], kept[-1], out=out[:, chunk])
            self._kept.append(kept)
        return out

    def backward(self, d_out: Tensor, d_x: Tensor, first_row: int = 0) -> None:
        """As `Perceptron.backward`."""
        last = len(self.matrices) - 1
        back = {layer: self._back[layer].bfloat16() for layer in range(1, last)}
        for chunk, kept in zip(self._chunks(d_out.shape[1]), self._kept, strict=True):
            self._add_products(d_out[:, chunk], kept[-1], last)
            d = self._through_last(d_out[:, chunk], kept[-1]).bfloat16()
            for layer in range(last - 1, 0, -1):
                self._gradients[layer].add_(product(kept[layer], d.t()).t())
                d = product(back[layer], d)
                mask(d, kept[layer])
            d = d.float()
            self._add_products(d, kept[0], 0)
            self._to_inputs(d, d_x, first_row, chunk)


def in_bf16(perceptron: Perceptron) -> Perceptron:
    """The same parameters and gradients with such passes."""
    return Bf16Perceptron(perceptron.matrices, perceptron.gradients)
