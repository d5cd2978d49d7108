"""The yardstick: the same loss written plainly, with g_phi evaluated on every edge and autograd. Slow on purpose."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing

from state.config import SlotConfig
from trainer.fit.penalties import STEP_UP
from trainer.model.gnn import GNN
from trainer.model.perceptron import Perceptron


def as_module(perceptron: Perceptron) -> nn.Sequential:
    """An ordinary torch module with the weights of ``perceptron``."""
    layers: list[nn.Module] = []
    last = len(perceptron.matrices) - 1
    for index, matrix in enumerate(perceptron.matrices):
        rows = matrix if index == last else matrix[:-1]
        linear = nn.Linear(matrix.shape[1] - 1, rows.shape[0], dtype=matrix.dtype)
        with torch.no_grad():
            linear.weight.copy_(rows[:, :-1])
            linear.bias.copy_(rows[:, -1])
        layers += [linear] if index == last else [linear, nn.ReLU()]
    return nn.Sequential(*layers)


class PerEdgeGNN(MessagePassing):
    """The published formulation: messages and perceptrons through `torch_geometric`."""

    def __init__(self, model: GNN) -> None:
        super().__init__(aggr="add")
        self.W = nn.Parameter(model.W.clone())
        self.a = nn.Parameter(model.a.t().clone())
        self.g_phi, self.f_theta = as_module(model.g_phi), as_module(model.f_theta)
        self.edge_index = torch.stack([model.edges.source.long(), model.edges.target.long()])
        self.input_index, self.n_neurons = model.input_index, model.n_neurons

    def forward(self, v: Tensor, stimulus: Tensor) -> Tensor:
        """dv/dt [B, N] from states [B, N] and stimulus [B, n_in]; the batch is one graph of B parts."""
        batch, n = v.shape
        shift = (torch.arange(batch) * n).repeat_interleave(self.edge_index.shape[1])
        edges = self.edge_index.repeat(1, batch) + shift
        current = v.new_zeros(batch, n).index_copy(1, self.input_index, stimulus)
        a, state = self.a.repeat(batch, 1), v.reshape(-1, 1)
        message = self.propagate(edges, v=state, a=a, W=self.W.repeat(batch)[:, None])
        return self.f_theta(torch.cat([state, a, message, current.reshape(-1, 1)], dim=1)).view(batch, n)

    def message(self, v_j: Tensor, a_j: Tensor, W: Tensor) -> Tensor:
        """One message an edge."""
        return W * self.g_phi(torch.cat([v_j, a_j], dim=1)) ** 2

    def signal(self, v: Tensor, a: Tensor) -> Tensor:
        """g_phi(v, a)^2 of neurons, [..., N]."""
        rows = torch.cat([v[..., None], a.expand(*v.shape, -1)], dim=-1)
        return self.g_phi(rows)[..., 0] ** 2

    def loss(self, frames: tuple[Tensor, Tensor, Tensor], config: SlotConfig, xnorm: float, iteration: int) -> Tensor:
        """The whole loss of one batch; ``frames`` = voltage [B, N], derivative [B, N], stimulus [B, n_in]."""
        v, target, stimulus = frames
        t = config.training
        ids = (torch.arange(0, self.n_neurons, t.penalty_stride) + iteration % t.penalty_stride) % self.n_neurons
        v_some, a_some, root = v[:, ids], self.a[ids], math.sqrt(t.penalty_stride)
        drop = torch.relu(self.signal(v_some, a_some) - self.signal(STEP_UP * v_some, a_some))
        level = torch.full((len(ids),), 2 * xnorm, dtype=v.dtype)
        total = (self(v, stimulus) - target).norm(2)
        total = total + t.coeff_g_phi_diff * root * drop.norm(2)
        total = total + t.coeff_g_phi_norm * root * (self.signal(level, a_some) - 2 * xnorm).norm(2)
        parts = [self.W, _flat(self.g_phi), _flat(self.f_theta)]
        l1 = [t.coeff_W_L1, t.coeff_g_phi_weight_L1, t.coeff_f_theta_weight_L1]
        l2 = [t.coeff_W_L2, t.coeff_g_phi_weight_L2, t.coeff_f_theta_weight_L2]
        for part, first, second in zip(parts, l1, l2, strict=True):
            total = total + first * part.norm(1) + second * part.norm(2)
        return total


def _flat(module: nn.Module) -> Tensor:
    return torch.cat([parameter.reshape(-1) for parameter in module.parameters()])
