"""The model as equations, on torch_geometric: the reference that the fast passes must equal.

A change of the model is tried here first (`graph_model.backend: pyg`): whatever parameters the module has are trained,
checkpointed and measured. Slow, and apart from the hand-written passes but for the numbers they start from.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch_geometric import EdgeIndex
from torch_geometric.data import Data
from torch_geometric.nn import MLP, MessagePassing

from state.config import GraphModelConfig, TrainingConfig
from trainer.model.perceptron import layer_shapes
from trainer.model.start import draw_perceptron, draw_weights

if TYPE_CHECKING:
    from trainer.fly.connectome import Connectome


def graph(connectome: Connectome) -> Data:
    """The wiring: ``edge_index`` [2, E] sorted by target, and the neurons that see light, ``inputs`` [n_in]."""
    pairs = torch.stack([torch.as_tensor(x).long() for x in (connectome.source, connectome.target)])
    n = connectome.n_neurons
    edges = EdgeIndex(pairs, sparse_size=(n, n), sort_order="col")
    return Data(edge_index=edges, num_nodes=n, inputs=torch.as_tensor(connectome.input_index).long())


class FlyGNN(MessagePassing):  # type: ignore[misc]
    """dv_i/dt = f_theta(v_i, a_i, msg_i, I_i) with msg_i = sum_j W_ij g_phi(v_j, a_j)^2 (the published equations).

    The frames of a batch are the features of a node: x [N, B].
    """

    def __init__(self, config: GraphModelConfig, wiring: Data) -> None:
        super().__init__(aggr="sum")
        n, edges = wiring.num_nodes, wiring.edge_index
        self.wiring = wiring
        self.W = nn.Parameter(torch.zeros(edges.shape[1]))
        self.a = nn.Parameter(torch.ones(n, config.embedding_dim))
        self.g_phi = _perceptron(config.input_size, config.hidden_dim, config.n_layers)
        self.f_theta = _perceptron(config.input_size_update, config.hidden_dim_update, config.n_layers_update)

    def signal(self, v: Tensor, a: Tensor) -> Tensor:
        """g_phi(v, a)^2: what neurons with embeddings ``a`` [N, D] send at voltages ``v`` [B, N]."""
        found: Tensor = self.g_phi(torch.cat([v[..., None], a.expand(*v.shape, -1)], -1))[..., 0] ** 2
        return found

    def messages(self, v: Tensor) -> Tensor:
        """sum_j W_ij g_phi(v_j, a_j)^2, [B, N]. g_phi knows the source alone, so it is asked once a neuron."""
        found: Tensor = self.propagate(self.wiring.edge_index, x=self.signal(v, self.a).t(), W=self.W).t()
        return found

    def message(self, x_j: Tensor, W: Tensor) -> Tensor:
        """What arrives over each edge, [E, B]."""
        return W[:, None] * x_j

    def update_rate(self, v: Tensor, message: Tensor, stimulus: Tensor | None) -> Tensor:
        """f_theta(v, a, msg, I), [B, N]; I is 0 but at the neurons that see light."""
        light = torch.zeros_like(v)
        if stimulus is not None:
            light = light.index_copy(1, self.wiring.inputs.to(v.device), stimulus)
        parts = [v[..., None], self.a.expand(*v.shape, -1), message[..., None], light[..., None]]
        found: Tensor = self.f_theta(torch.cat(parts, -1))[..., 0]
        return found

    def forward(self, v: Tensor, stimulus: Tensor) -> Tensor:
        """dv/dt [B, N] in 1/s from voltages [B, N] and stimulus [B, n_in]."""
        return self.update_rate(v, self.messages(v), stimulus)


def _perceptron(n_in: int, hidden: int, n_layers: int) -> MLP:
    return MLP([n_in] + [hidden] * (n_layers - 1) + [1], act="relu", norm=None)


class PygModel:
    """`FlyGNN` as a `trainer.model.protocol.Model`: its parameters and gradients are views of two flat vectors."""

    def __init__(
        self, config: GraphModelConfig, connectome: Connectome, device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        self.config, self.connectome = config, connectome
        with torch.inference_mode(False):
            self.module = FlyGNN(config, graph(connectome)).to(device=device, dtype=dtype)
            self.module.wiring = self.module.wiring.to(device)
            names = sorted((name for name, _ in self.module.named_parameters()), key=_group)
            self._flatten(names)
        self.source, self.target = (torch.as_tensor(x, device=device) for x in (connectome.source, connectome.target))

    def _flatten(self, names: list[str]) -> None:
        """Lay all parameters out in one vector, group by group, and leave views of it in the module."""
        parameters = dict(self.module.named_parameters())
        bounds = [0]
        for name in names:
            bounds.append(bounds[-1] + parameters[name].numel())
        self.theta = torch.cat([parameters[name].detach().reshape(-1) for name in names])
        self.gradient = torch.zeros_like(self.theta)
        self.groups: dict[str, slice] = {}
        for name, (start, end) in zip(names, pairwise(bounds), strict=True):
            parameter, group = parameters[name], _GROUPS[_group(name)]
            parameter.data = self.theta[start:end].view(parameter.shape)
            parameter.grad = self.gradient[start:end].view(parameter.shape)
            self.groups[group] = slice(self.groups[group].start if group in self.groups else start, end)

    @property
    def W(self) -> Tensor:
        found: Tensor = self.module.W.data
        return found

    @property
    def a(self) -> Tensor:
        found: Tensor = self.module.a.data.t()
        return found

    def initialise(self, training: TrainingConfig) -> None:
        """Draw all parameters from ``training.seed``, the same numbers as with the fast backend."""
        generator, config, module = torch.Generator().manual_seed(training.seed), self.config, self.module
        module.a.data.fill_(1.0)
        n, edges = self.connectome.n_neurons, self.connectome.n_edges
        module.W.data.copy_(draw_weights(training, n, edges, generator))
        sizes = (config.input_size, config.hidden_dim, config.n_layers)
        sizes_update = (config.input_size_update, config.hidden_dim_update, config.n_layers_update)
        for mlp, size in ((module.g_phi, sizes), (module.f_theta, sizes_update)):
            drawn = draw_perceptron(layer_shapes(*size), config.init, generator)
            for linear, matrix in zip(mlp.lins, drawn, strict=True):
                rows = linear.weight.shape[0]
                linear.weight.data.copy_(matrix[:rows, :-1])
                linear.bias.data.copy_(matrix[:rows, -1])

    def signal(self, v: Tensor) -> Tensor:
        """g_phi(v, a)^2; [B, N] -> [B, N]."""
        with apart(grad=False):
            found: Tensor = self.module.signal(v.clone(), self.module.a)
            return found

    def messages(self, v: Tensor) -> Tensor:
        """sum_j W_ij g_phi(v_j, a_j)^2; [B, N] -> [B, N]."""
        with apart(grad=False):
            found: Tensor = self.module.messages(v.clone())
            return found

    def update(self, v: Tensor, message: Tensor, stimulus: Tensor | None) -> Tensor:
        """f_theta [B, N]."""
        with apart(grad=False):
            light = None if stimulus is None else stimulus.clone()
            found: Tensor = self.module.update_rate(v.clone(), message.clone(), light)
            return found

    def message_gain(self, v: Tensor, message: Tensor, stimulus: Tensor | None) -> Tensor:
        """d f_theta / d message [B, N]."""
        with apart(grad=True):
            light = None if stimulus is None else stimulus.clone()
            arriving = message.clone().requires_grad_()
            rate = self.module.update_rate(v.clone(), arriving, light)
            return torch.autograd.grad(rate.sum(), arriving)[0]


@contextmanager
def apart(grad: bool) -> Iterator[None]:
    """Outside of inference mode, whose tensors neither autograd nor EdgeIndex can take; clones made here can."""
    with torch.inference_mode(False), torch.set_grad_enabled(grad):
        yield


_GROUPS = ("W", "embedding", "g_phi", "f_theta")


def _group(name: str) -> int:
    """Index into _GROUPS of a parameter of the module; one that an idea adds learns at f_theta's rate."""
    first = name.partition(".")[0]
    return {"W": 0, "a": 1, "g_phi": 2}.get(first, 3)
