"""The hand-written perceptron against autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from trainer.model import perceptron as module
from trainer.model.perceptron import Perceptron, layer_shapes


def build(n_in: int, hidden: int, n_layers: int, dtype: torch.dtype, gpu_way: bool = False) -> Perceptron:
    generator = torch.Generator().manual_seed(n_layers)
    matrices = []
    shapes = layer_shapes(n_in, hidden, n_layers)
    for shape in shapes:
        matrix = torch.randn(shape, generator=generator, dtype=dtype) * 0.5
        if shape[0] != 1:
            matrix[-1] = 0.0
            matrix[-1, -1] = 1.0
        matrices.append(matrix)
    return Perceptron(matrices, [torch.zeros_like(matrix) for matrix in matrices], gpu_way)


def plain(perceptron: Perceptron, x: Tensor) -> tuple[nn.Sequential, Tensor]:
    """The same function as torch modules, and its output [1, R]."""
    layers: list[nn.Module] = []
    last = len(perceptron.matrices) - 1
    for index, matrix in enumerate(perceptron.matrices):
        rows = matrix if index == last else matrix[:-1]
        linear = nn.Linear(matrix.shape[1] - 1, rows.shape[0], dtype=matrix.dtype)
        with torch.no_grad():
            linear.weight.copy_(rows[:, :-1])
            linear.bias.copy_(rows[:, -1])
        layers += [linear] if index == last else [linear, nn.ReLU()]
    network = nn.Sequential(*layers)
    return network, network(x[:-1].t()).t()


def rows(n_in: int, n: int, dtype: torch.dtype) -> Tensor:
    x = torch.randn(n_in + 1, n, generator=torch.Generator().manual_seed(n), dtype=dtype)
    x[-1] = 1.0
    return x


@pytest.mark.parametrize("n_layers", [2, 3, 6])
@pytest.mark.parametrize(("chunk", "gpu_way"), [(7, False), (10**6, False), (10**6, True)])
def test_equals_autograd(n_layers: int, chunk: int, gpu_way: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPU_CHUNK", chunk)
    monkeypatch.setattr(module, "SPLIT", 10)  # five splits of the 50 columns below
    perceptron = build(4, 9, n_layers, torch.float64, gpu_way)
    x = rows(4, 50, torch.float64)
    x_leaf = x.clone().requires_grad_()
    network, expected = plain(perceptron, x_leaf)
    d_out = torch.randn(1, 50, dtype=torch.float64)
    expected.backward(d_out)
    out, d_x = torch.empty(1, 50, dtype=torch.float64), torch.empty(2, 50, dtype=torch.float64)
    torch.testing.assert_close(perceptron.forward(x, out), expected.detach())
    perceptron.backward(d_out, d_x, first_row=1)
    assert x_leaf.grad is not None
    torch.testing.assert_close(d_x, x_leaf.grad[1:3])
    linears = [layer for layer in network if isinstance(layer, nn.Linear)]
    for linear, gradient in zip(linears, perceptron.gradients, strict=True):
        kept = gradient if gradient.shape[0] == 1 else gradient[:-1]
        torch.testing.assert_close(kept[:, :-1], linear.weight.grad)
        torch.testing.assert_close(kept[:, -1], linear.bias.grad)


def test_constant_rows_get_no_gradient() -> None:
    perceptron = build(3, 8, 3, torch.float64)
    x, out = rows(3, 20, torch.float64), torch.empty(1, 20, dtype=torch.float64)
    perceptron.forward(x, out)
    perceptron.backward(torch.ones_like(out), torch.empty(3, 20, dtype=torch.float64))
    assert all(not gradient[-1].any() for gradient in perceptron.gradients[:-1])


def test_fast_products_agree_with_plain_ones() -> None:
    """Large enough for the oneDNN path where there is one."""
    fast, slow = build(3, 32, 3, torch.float32), build(3, 32, 3, torch.float32)
    slow._onednn = False
    x = rows(3, 5000, torch.float32)
    results = []
    for perceptron in (fast, slow):
        out, d_x = torch.empty(1, 5000), torch.empty(3, 5000)
        perceptron.forward(x, out)
        perceptron.backward(torch.ones(1, 5000), d_x)
        results.append((out, d_x, *perceptron.gradients))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def test_input_gradient_leaves_parameter_gradients_alone() -> None:
    perceptron = build(4, 9, 3, torch.float64)
    x = rows(4, 30, torch.float64)
    leaf = x.clone().requires_grad_()
    plain(perceptron, leaf)[1].sum().backward()
    assert leaf.grad is not None
    torch.testing.assert_close(perceptron.input_gradient(x, 2)[0], leaf.grad[2])
    assert not any(gradient.any() for gradient in perceptron.gradients)
