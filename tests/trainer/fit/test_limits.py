"""The limits on W against torch's own."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from state.config import TrainingConfig
from trainer.fit.adam import Adam
from trainer.fit.limits import clip, limit, shrink


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), st.floats(1e-3, 1e3))
def test_clip_is_that_of_torch(values: list[float], largest: float) -> None:
    ours = torch.tensor(values, dtype=torch.float64)
    theirs = torch.nn.Parameter(torch.zeros_like(ours))
    theirs.grad = ours.clone()
    torch.nn.utils.clip_grad_norm_([theirs], largest)
    clip(ours, largest)
    torch.testing.assert_close(ours, theirs.grad)


def test_shrink_moves_towards_zero_and_stops_there() -> None:
    values = torch.tensor([-2.0, -0.1, 0.0, 0.3, 1.0])
    shrink(values, 0.25)
    torch.testing.assert_close(values, torch.tensor([-1.75, 0.0, 0.0, 0.05, 0.75]))


def stepped(training: TrainingConfig) -> torch.Tensor:
    """Two parameters of W and one other after one step of Adam with rate 0.1 from 1 along gradient (3, 4, 10)."""
    theta, gradient = torch.ones(3, dtype=torch.float64), torch.tensor([3.0, 4.0, 10.0], dtype=torch.float64)
    adam = Adam(theta, gradient)
    adam.rates[:] = 0.1
    limit(adam, slice(0, 2), training)
    adam.prepare(1)
    adam.step(0)
    return torch.cat([theta, adam.state()[0]])


def test_only_W_is_limited() -> None:
    free = stepped(TrainingConfig())
    clipped = stepped(TrainingConfig(grad_clip_W=1.0))
    # Adam's first mean is 0.1 of the gradient.
    torch.testing.assert_close(clipped[3:], torch.tensor([0.06, 0.08, 1.0], dtype=torch.float64), rtol=1e-5, atol=0)
    shrunk = stepped(TrainingConfig(coeff_W_L1_proximal=0.2))
    torch.testing.assert_close(shrunk[:3], free[:3] - torch.tensor([0.2, 0.2, 0.0], dtype=torch.float64))
