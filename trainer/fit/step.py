"""One training iteration by hand: forward, loss, backward."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from state.config import TrainingConfig
from trainer.fit.signal_penalties import TINY, SignalPenalties
from trainer.fit.weight_penalties import WeightPenalties
from trainer.model.gnn import GNN

if TYPE_CHECKING:
    from trainer.fly.simulate import Recording


class Step:
    """Fills ``model.gradient`` with the gradient of ||pred - dv/dt||_2 + penalties on a batch of frames.

    All shapes are fixed at construction and nothing is read back from the device, so that on a GPU the launches run
    ahead (and can be captured once and replayed). ``loss`` holds the data term of the last call.
    """

    def __init__(self, model: GNN, data: Recording, training: TrainingConfig, xnorm: float) -> None:
        self.model, self.data, self.batch = model, data, training.batch_size
        self.signal_penalties = SignalPenalties(training, model, self.batch, xnorm)
        self.weight_penalties = WeightPenalties(training, model)
        n_data = self.n_data = self.batch * model.n_neurons
        n_rows = n_data + self.signal_penalties.n_rows
        depth = model.embedding_dim
        new = model.theta.new_zeros
        self._g_in, self._f_in = new(depth + 2, n_rows), new(depth + 4, n_data)
        self._g_in[-1], self._f_in[-1] = 1.0, 1.0
        self._g_out, self._f_out = new(1, n_rows), new(1, n_data)
        self._d_signal = new(n_rows)
        self._d_g_in, self._d_f_in = new(depth, n_rows), new(depth + 1, n_data)
        self.loss = new(())

    def __call__(self, frames: Tensor, iteration: int) -> None:
        """``frames`` [B]: indices into the recording, on its device; ``iteration`` turns the penalties' subset."""
        self.run(frames, self.signal_penalties.subset(iteration))

    def run(self, frames: Tensor, subset: Tensor | None) -> None:
        """As a call, with the neurons [n_subset] whose penalties count given on the device; None = all."""
        model, n_data = self.model, self.n_data
        self._load(frames, subset)
        model.gradient.zero_()
        g = model.g_phi.forward(self._g_in, self._g_out)[0]
        signal = g.square()
        sent = self._neuron_major(signal[:n_data])
        self._frame_major(self._f_in[-3]).copy_(model.edges.send(sent).t())
        d_message = self._neuron_major(self._update_backward(frames))
        model.edges.weight_gradient(d_message, sent, model.d_W)
        self._frame_major(self._d_signal[:n_data]).copy_(model.edges.back(d_message).t())
        self.signal_penalties.gradient(signal, self._d_signal, subset)
        d_g = self._d_signal.mul_(g).mul_(2.0)
        model.g_phi.backward(d_g[None], self._d_g_in, first_row=1)
        self._d_g_in[:, :n_data].add_(self._d_f_in[:-1])
        self.signal_penalties.embedding_gradient(self._d_g_in, subset)
        self.weight_penalties.add_gradient()

    def set_strength(self, strength: float) -> None:
        """Scale the L1 and L2 penalties from now on (annealing)."""
        self.weight_penalties.set_strength(strength)

    def total_loss(self) -> Tensor:
        """Data term and all penalties of the last call; for inspection, not used by training."""
        return self.loss + self.signal_penalties.loss.sum() + self.weight_penalties.value()

    def _load(self, frames: Tensor, subset: Tensor | None) -> None:
        model, n_data = self.model, self.n_data
        torch.index_select(self.data.voltage, 0, frames, out=self._frame_major(self._g_in[0, :n_data]))
        self._g_in[1:-1, :n_data].view(-1, self.batch, model.n_neurons).copy_(model.a[:, None, :])
        self.signal_penalties.fill(self._g_in, subset)
        self._f_in[:-3].copy_(self._g_in[:-1, :n_data])
        stimulus = self.data.stimulus.index_select(0, frames)
        self._frame_major(self._f_in[-2]).index_copy_(1, model.input_index, stimulus)

    def _update_backward(self, frames: Tensor) -> Tensor:
        """Predict, compare, and go back through f_theta; returns the gradient of the messages [B * N]."""
        f = self.model.f_theta.forward(self._f_in, self._f_out)
        residual = f.view(self.batch, -1).sub_(self.data.derivative.index_select(0, frames))
        torch.linalg.vector_norm(residual, out=self.loss)
        residual.div_(self.loss.clamp_min(TINY))
        self.model.f_theta.backward(f, self._d_f_in, first_row=1)
        return self._d_f_in[-1]

    def _frame_major(self, row: Tensor) -> Tensor:
        return row.view(self.batch, self.model.n_neurons)

    def _neuron_major(self, row: Tensor) -> Tensor:
        return self._frame_major(row).t().contiguous()
