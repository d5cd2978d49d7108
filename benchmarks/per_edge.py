"""The yardstick: the reference model with g_phi evaluated on every edge, as published. Slow on purpose."""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.model.pyg import FlyGNN, PygModel


class PerEdgeGNN(FlyGNN):
    """Messages W_ij g_phi(v_j, a_j)^2, g_phi evaluated edge by edge."""

    def messages(self, v: Tensor) -> Tensor:
        """sum_j W_ij g_phi(v_j, a_j)^2; [B, N] -> [B, N]."""
        rows = torch.cat([v[..., None], self.a.expand(*v.shape, -1)], -1).transpose(0, 1)
        found: Tensor = self.propagate(self.wiring.edge_index, x=rows.flatten(1), W=self.W).t()
        return found

    def message(self, x_j: Tensor, W: Tensor) -> Tensor:
        """From (v, a) of the source for each frame, x_j [E, B * (1 + D)], one message an edge and frame, [E, B]."""
        sources = x_j.view(len(x_j), -1, 1 + self.a.shape[1])
        found: Tensor = W[:, None] * self.g_phi(sources)[..., 0] ** 2
        return found


def per_edge(model: PygModel) -> PygModel:
    """``model`` with its messages computed edge by edge."""
    model.module.__class__ = PerEdgeGNN
    return model
