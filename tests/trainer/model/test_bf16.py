"""Products in bfloat16 beside those in float32."""

from __future__ import annotations

import pytest
import torch

from tests.trainer.model.test_perceptron import build, rows
from trainer.model import perceptron as module
from trainer.model.bf16 import bf16_is_there, in_bf16

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(not bf16_is_there(CPU), reason="this CPU has no products in bfloat16")


@pytest.mark.parametrize("n_layers", [2, 3, 5])
@pytest.mark.parametrize("chunk", [97, 10**6])
def test_output_and_gradients_are_those_of_float32_but_for_rounding(
    n_layers: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CPU_CHUNK", chunk)
    exact = build(4, 32, n_layers, torch.float32)
    for matrix in exact.matrices:
        matrix.mul_(0.5)
        if len(matrix) > 1:
            matrix[-1, -1] = 1.0
    rounded = in_bf16(module.Perceptron(exact.matrices, [torch.zeros_like(g) for g in exact.gradients]))
    x, d_out = rows(4, 300, torch.float32), torch.linspace(0.1, 1.0, 300)[None]
    found = []
    for one in (exact, rounded):
        out, d_x = torch.empty(1, 300), torch.empty(2, 300)
        one.forward(x, out)
        one.backward(d_out, d_x, first_row=1)
        found.append([out, d_x, *one.gradients])
    for one_way, other in zip(*found, strict=True):
        # 8 bits of fraction: 0.4 % a factor and layer, and a ReLU near 0 may fall on its other side.
        assert float((one_way - other).norm()) < 0.04 * n_layers * float(one_way.norm())
    assert all(not gradient[-1].any() for gradient in rounded.gradients[:-1])
    assert n_layers == 2 or not torch.equal(found[0][0], found[1][0])


def test_what_is_evaluated_is_in_float32() -> None:
    exact = build(3, 32, 3, torch.float32)
    x = rows(3, 200, torch.float32)
    assert torch.equal(in_bf16(exact).evaluate(x), exact.evaluate(x))


def test_a_gpu_has_no_such_products() -> None:
    assert not bf16_is_there(torch.device("cuda"))
