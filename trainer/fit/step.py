"""One training iteration by hand: forward, loss, backward."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from state.config import TrainingConfig
from trainer.fit.signal_penalties import TINY, SignalPenalties
from trainer.fit.weight_penalties import WeightPenalties
from trainer.model.bf16 import in_bf16
from trainer.model.gnn import GNN
from trainer.model.perceptron import padded

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
        # In columns behind those that count (see `padded`) the outputs' gradients stay 0: nothing comes of them.
        g_columns = padded(n_data + self.signal_penalties.n_rows, model.gpu_way)
        f_columns = padded(n_data, model.gpu_way)
        depth = model.embedding_dim
        new = model.theta.new_zeros
        self._g_in, self._f_in = new(depth + 2, g_columns), new(depth + 4, f_columns)
        self._g_in[-1], self._f_in[-1] = 1.0, 1.0
        self._g_out, self._f_out, self._d_f_out = new(1, g_columns), new(1, f_columns), new(1, f_columns)
        self._d_signal = new(g_columns)
        self._d_g_in, self._d_f_in = new(depth, g_columns), new(depth + 1, f_columns)
        self._g_phi, self._f_theta = model.g_phi, model.f_theta
        if training.matmul == "bf16" and model.theta.dtype == torch.float32:
            self._g_phi, self._f_theta = in_bf16(model.g_phi), in_bf16(model.f_theta)
        self.loss = new(())

    def __call__(self, frames: Tensor, iteration: int) -> None:
        """``frames`` [B]: indices into the recording, on its device; ``iteration`` turns the penalties' subset."""
        self.run(frames, self.signal_penalties.subset(iteration))

    def run(self, frames: Tensor, subset: Tensor | None) -> None:
        """As a call, with the neurons [n_subset] whose penalties count given on the device; None = all."""
        model, n_data = self.model, self.n_data
        self._load(frames, subset)
        model.gradient.zero_()
        g = self._g_phi.forward(self._g_in, self._g_out)[0]
        signal = g.square()
        sent = self._neuron_major(signal)
        self._frame_major(self._f_in[-3]).copy_(model.edges.send(sent).t())
        d_message = self._neuron_major(self._update_backward(frames))
        model.edges.weight_gradient(d_message, sent, model.d_W)
        self._frame_major(self._d_signal).copy_(model.edges.back(d_message).t())
        self.signal_penalties.gradient(signal, self._d_signal, subset)
        d_g = self._d_signal.mul_(g).mul_(2.0)
        self._g_phi.backward(d_g[None], self._d_g_in, first_row=1)
        self.signal_penalties.leave_out(self._d_g_in)
        self._d_g_in[:, :n_data].add_(self._d_f_in[:-1, :n_data])
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
        torch.index_select(self.data.voltage, 0, frames, out=self._frame_major(self._g_in[0]))
        self._g_in[1:-1, :n_data].view(-1, self.batch, model.n_neurons).copy_(model.a[:, None, :])
        self.signal_penalties.fill(self._g_in, subset)
        self._f_in[:-3, :n_data].copy_(self._g_in[:-1, :n_data])
        model.light(self.data.stimulus.index_select(0, frames), self._frame_major(self._f_in[-2]))

    def _update_backward(self, frames: Tensor) -> Tensor:
        """Predict, compare, and go back through f_theta; returns the gradient of the messages [B * N]."""
        found = self._frame_major(self._f_theta.forward(self._f_in, self._f_out)[0])
        residual = self._frame_major(self._d_f_out[0])
        torch.sub(found, self.data.derivative.index_select(0, frames), out=residual)
        torch.linalg.vector_norm(residual, out=self.loss)
        residual.div_(self.loss.clamp_min(TINY))
        self._f_theta.backward(self._d_f_out, self._d_f_in, first_row=1)
        return self._d_f_in[-1]

    def _frame_major(self, row: Tensor) -> Tensor:
        return row[: self.n_data].view(self.batch, self.model.n_neurons)

    def _neuron_major(self, row: Tensor) -> Tensor:
        return self._frame_major(row).t().contiguous()
