"""The graph network: all parameters in one flat vector, and the predicted derivative."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from state.config import GraphModelConfig, TrainingConfig
from trainer.fly.edge_sums import EdgeSums, light_of
from trainer.model.perceptron import Perceptron, layer_shapes
from trainer.model.start import draw_perceptron, draw_weights

if TYPE_CHECKING:
    from trainer.fly.connectome import Connectome

GROUPS = ("W", "embedding", "g_phi", "f_theta")


class GNN:
    """dv_i/dt = f_theta(v_i, a_i, sum_j W_ij g_phi(v_j, a_j)^2, I_i), with g_phi evaluated once per neuron.

    ``theta`` [P] holds W [E], a [D, N], g_phi and f_theta (see `layer_shapes`) one after the other, ``gradient`` [P]
    likewise; everything else here is a view of these two. Input rows are feature-major: (v, a, 1) for g_phi and
    (v, a, msg, I, 1) for f_theta, a column per frame and neuron (frame-major). ``gpu_way``: the order in which a GPU
    sums, on whatever device; None = as the device is.
    """

    def __init__(
        self,
        model: GraphModelConfig,
        connectome: Connectome,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        gpu_way: bool | None = None,
    ) -> None:
        device = device or torch.device("cpu")
        self.gpu_way = device.type == "cuda" if gpu_way is None else gpu_way
        self.n_neurons, self.n_edges = connectome.n_neurons, connectome.n_edges
        self.embedding_dim, self._init = model.embedding_dim, model.init
        shapes_g = layer_shapes(model.input_size, model.hidden_dim, model.n_layers)
        shapes_f = layer_shapes(model.input_size_update, model.hidden_dim_update, model.n_layers_update)
        sizes = [self.n_edges, self.embedding_dim * self.n_neurons]
        sizes += [sum(rows * columns for rows, columns in shapes) for shapes in (shapes_g, shapes_f)]
        bounds = list(accumulate(sizes, initial=0))
        self.groups = {name: slice(start, end) for name, (start, end) in zip(GROUPS, pairwise(bounds), strict=True)}
        self.theta = torch.zeros(bounds[-1], device=device, dtype=dtype)
        self.gradient = torch.zeros_like(self.theta)
        self.W, self.d_W = self._both("W", (self.n_edges,))
        self.a, self.d_a = self._both("embedding", (self.embedding_dim, self.n_neurons))
        self.g_phi = self._perceptron("g_phi", shapes_g)
        self.f_theta = self._perceptron("f_theta", shapes_f)
        # 1 where a network parameter is trained, 0 in the constant rows of the augmented matrices.
        self.networks = slice(self.groups["g_phi"].start, self.groups["f_theta"].stop)
        self.trained = torch.ones_like(self.theta)
        for name in ("g_phi", "f_theta"):
            for row in self._constant_rows(name, self.trained):
                row.zero_()
        self._light_of = light_of(connectome.input_index, self.n_neurons, self.theta.device)
        self.edges = EdgeSums(connectome.source, connectome.target, self.n_neurons, self.W, self.gpu_way)
        self.source, self.target = self.edges.source, self.edges.target

    def initialise(self, training: TrainingConfig) -> None:
        """Draw all parameters from ``training.seed`` on the CPU, so that every device starts alike; a: ones."""
        generator = torch.Generator().manual_seed(training.seed)
        self.a.fill_(1.0)
        self.W.copy_(draw_weights(training, self.n_neurons, self.n_edges, generator))
        for perceptron in (self.g_phi, self.f_theta):
            shapes = [(matrix.shape[0], matrix.shape[1]) for matrix in perceptron.matrices]
            for matrix, drawn in zip(perceptron.matrices, draw_perceptron(shapes, self._init, generator), strict=True):
                matrix.copy_(drawn)
            for matrix in perceptron.matrices[:-1]:
                matrix[-1].zero_()
                matrix[-1, -1] = 1.0

    def signal(self, v: Tensor) -> Tensor:
        """What each neuron sends, g_phi(v, a)^2; [B, N] -> [B, N]."""
        return self.g_phi.evaluate(self.source_rows(v)).square_().view_as(v)

    def messages(self, v: Tensor) -> Tensor:
        """sum_j W_ij g_phi(v_j, a_j)^2; [B, N] -> [B, N]."""
        return self.edges.send(self.signal(v).t().contiguous()).t()

    def update(self, v: Tensor, message: Tensor, stimulus: Tensor | None) -> Tensor:
        """f_theta [B, N] at states and messages [B, N] and stimulus [B, n_in] of the input neurons (None = dark)."""
        return self.f_theta.evaluate(self.update_rows(v, message, stimulus)).view_as(v)

    def message_gain(self, v: Tensor, message: Tensor, stimulus: Tensor | None) -> Tensor:
        """d f_theta / d message [B, N] at the same point."""
        rows = self.update_rows(v, message, stimulus)
        return self.f_theta.input_gradient(rows, self.embedding_dim + 1).view_as(v)

    def source_rows(self, v: Tensor) -> Tensor:
        """Input rows (v, a, 1) of g_phi, [D + 2, B * N]."""
        rows = v.new_ones(self.embedding_dim + 2, *v.shape)
        rows[0], rows[1:-1] = v, self.a[:, None, :]
        return rows.view(len(rows), -1)

    def update_rows(self, v: Tensor, message: Tensor, stimulus: Tensor | None) -> Tensor:
        """Input rows (v, a, msg, I, 1) of f_theta, [D + 4, B * N]; without stimulus I = 0."""
        rows = v.new_ones(self.embedding_dim + 4, *v.shape)
        rows[0], rows[1:-3], rows[-3], rows[-2] = v, self.a[:, None, :], message, 0.0
        if stimulus is not None:
            self.light(stimulus, rows[-2])
        return rows.view(len(rows), -1)

    def light(self, stimulus: Tensor, out: Tensor) -> None:
        """The light on each neuron: ``out`` [B, N] from the stimulus [B, n_in] of the input neurons, elsewhere 0.

        Gathered, for on a GPU `index_copy_` sorts its indices at each call when it has to be deterministic.
        """
        torch.index_select(torch.nn.functional.pad(stimulus, (0, 1)), 1, self._light_of, out=out)

    def _both(self, name: str, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        part = self.groups[name]
        return self.theta[part].view(shape), self.gradient[part].view(shape)

    def _perceptron(self, name: str, shapes: list[tuple[int, int]]) -> Perceptron:
        sizes = [rows * columns for rows, columns in shapes]
        views = []
        for flat in (self.theta, self.gradient):
            parts = flat[self.groups[name]].split(sizes)  # type: ignore[no-untyped-call]
            views.append([part.view(shape) for part, shape in zip(parts, shapes, strict=True)])
        return Perceptron(views[0], views[1], self.gpu_way)

    def _constant_rows(self, name: str, flat: Tensor) -> list[Tensor]:
        shapes = [matrix.shape for matrix in getattr(self, name).matrices]
        parts = flat[self.groups[name]].split([rows * columns for rows, columns in shapes])  # type: ignore[no-untyped-call]
        return [part.view(shape)[-1] for part, shape in zip(parts[:-1], shapes, strict=False)]
