"""The penalties on g_phi's signal, their gradients, and the rows they need."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from state.config import TrainingConfig
from trainer.model.gnn import GNN

STEP_UP = 1.05  # relative step: the message at 1.05 v must not be smaller than at v
STEP = 0.05  # additive step, in units of xnorm
TINY = 1e-12
TRACE = 1e-20


class SignalPenalties:
    """The two penalties on s(v, a) = g_phi(v, a)^2, the signal that a neuron sends.

    diff: coeff_g_phi_diff * ||relu(s(v) - s(v'))||_2 over the neurons of the batch's first frame (of every frame with
    `penalty_frames: all`), v' = v + 0.05 xnorm, or 1.05 v with `g_phi_diff_step: relative` (monotone messages).
    norm: coeff_g_phi_norm * ||s(2 xnorm) - 2 xnorm||_2 over the neurons (fixes the scale that W and g_phi share).
    With `penalty_embedding: fixed` they move g_phi alone, otherwise the embedding as well. With a stride k both see
    every k-th neuron, starting one further at each iteration, and are scaled by sqrt(k), so that a penalty spread
    evenly over the neurons keeps its size.

    s(v) is there with the data's own rows; further rows follow those: n_diff (s(v')), n_norm. g_phi's output is one
    number a row, so whatever comes of a row is in proportion to the gradient of that number: where the embedding is
    fixed, its gradient is that of the whole row times the share that is not the penalty's (`leave_out`).
    """

    def __init__(self, training: TrainingConfig, model: GNN, batch: int, xnorm: float) -> None:
        stride = min(training.penalty_stride, model.n_neurons)
        self.model, self.batch, self.stride = model, batch, stride
        scale = math.sqrt(stride)
        self.diff, self.norm = training.coeff_g_phi_diff * scale, training.coeff_g_phi_norm * scale
        self.level = 2.0 * xnorm
        self.fixed = training.penalty_embedding == "fixed"
        self.frames = 1 if training.penalty_frames == "one" else batch
        self._step = (1.0, STEP * xnorm) if training.g_phi_diff_step == "additive" else (STEP_UP, 0.0)
        every = torch.arange(0, model.n_neurons, stride, device=model.theta.device)
        # Indices go on from the first neuron; len(every) * stride < N + stride, so none appears twice.
        self._subsets = [(every + offset) % model.n_neurons for offset in range(stride)]
        self.n_subset = len(every)
        self.n_diff = self.frames * self.n_subset if self.diff > 0 else 0
        self.n_norm = self.n_subset if self.norm > 0 else 0
        self.n_rows = self.n_diff + self.n_norm
        start = batch * model.n_neurons
        self._next = slice(start, start + self.n_diff)
        self._level = slice(self._next.stop, start + self.n_rows)
        self.loss = model.theta.new_zeros(2)
        self._share = model.theta.new_zeros(self.frames, model.n_neurons)

    def table(self) -> Tensor | None:
        """All subsets [stride, n_subset] in their turn, for a device that picks its own; None = no turns."""
        return None if self.stride == 1 else torch.stack(self._subsets)

    def subset(self, iteration: int) -> Tensor | None:
        """The neurons whose penalties count at ``iteration``; None = all of them."""
        return None if self.stride == 1 else self._subsets[iteration % self.stride]

    def fill(self, rows: Tensor, subset: Tensor | None) -> None:
        """Write the penalty rows behind the ``batch * N`` rows of the data in ``rows`` [D + 2, R]."""
        v, a = self._of_data(rows[0]), self.model.a
        if subset is not None:
            v, a = v.index_select(1, subset), a.index_select(1, subset)
        if self.n_diff:
            scale, shift = self._step
            torch.mul(v, scale, out=rows[0, self._next].view_as(v)).add_(shift)
            rows[1:-1, self._next].view(len(a), -1, self.n_subset).copy_(a[:, None, :])
        if self.n_norm:
            rows[0, self._level].fill_(self.level)
            rows[1:-1, self._level].copy_(a)

    def gradient(self, signal: Tensor, d_signal: Tensor, subset: Tensor | None) -> None:
        """From all signals [R], add to the data part of ``d_signal`` [R] and fill its penalty part."""
        if self.n_diff:
            self._diff_gradient(signal, d_signal, subset)
        if self.n_norm:
            off = signal[self._level] - self.level
            length = torch.linalg.vector_norm(off)
            torch.mul(off, self.norm / length.clamp_min(TINY), out=d_signal[self._level])
            torch.mul(length, self.norm, out=self.loss[1])

    def _diff_gradient(self, signal: Tensor, d_signal: Tensor, subset: Tensor | None) -> None:
        here = self._of_data(signal) if subset is None else self._of_data(signal).index_select(1, subset)
        drop = torch.relu_(here - signal[self._next].view_as(here))
        length = torch.linalg.vector_norm(drop)
        drop.mul_(self.diff / length.clamp_min(TINY))
        torch.neg(drop, out=d_signal[self._next].view_as(drop))
        torch.mul(length, self.diff, out=self.loss[0])
        total = self._of_data(d_signal)
        if self.fixed:
            self._share.copy_(total)
        total.add_(drop) if subset is None else self._add_columns(total, subset, drop)
        if self.fixed:
            # Where the two parts cancel, a trace of the row is kept, from which its data's part can be found again.
            total.masked_fill_(total == 0, TRACE)
            self._share.div_(total)

    def leave_out(self, d_rows: Tensor) -> None:
        """With fixed embeddings, take the penalty's part from ``d_rows`` [D, R], the gradients of the rows' a parts."""
        if self.fixed and self.n_diff:
            d_rows[:, : self._share.numel()].mul_(self._share.view(1, -1))

    def embedding_gradient(self, d_rows: Tensor, subset: Tensor | None) -> None:
        """Set the embedding's gradient from ``d_rows`` [D, R], the gradients of the rows' a parts."""
        start = self.batch * self.model.n_neurons
        d_a, depth = self.model.d_a, len(d_rows)
        torch.sum(d_rows[:, :start].view(depth, self.batch, -1), 1, out=d_a)
        if self.fixed:
            return
        parts = []
        if self.n_diff:
            parts.append(d_rows[:, self._next].view(depth, self.frames, -1).sum(1))
        if self.n_norm:
            parts.append(d_rows[:, self._level])
        for part in parts:
            d_a.add_(part) if subset is None else self._add_columns(d_a, subset, part)

    def _add_columns(self, to: Tensor, subset: Tensor, part: Tensor) -> None:
        add_columns(to, subset, part, self.stride, self.model.gpu_way)

    def _of_data(self, rows: Tensor) -> Tensor:
        """What the penalties look at in the data part of ``rows`` [R]: a view [frames, N]."""
        return rows[: self.frames * self.model.n_neurons].view(self.frames, -1)


def add_columns(to: Tensor, columns: Tensor, part: Tensor, stride: int, gpu_way: bool) -> None:
    """to[:, columns] += part for the ``columns`` of a subset, in the same order of sums at every call."""
    if not gpu_way:
        to.index_add_(1, columns, part)
        return
    # A GPU sorts the indices of index_add_ and index_copy_ at each call when it has to be deterministic. The subset is
    # every stride-th column from its first one, so each column can be told where in it to look.
    n = to.shape[1]
    place = torch.arange(n, device=to.device).sub_(columns[:1]).remainder_(n)
    place = torch.where(place.remainder(stride) == 0, place.div(stride, rounding_mode="floor"), len(columns))
    to.add_(torch.nn.functional.pad(part, (0, 1)).index_select(1, place))
