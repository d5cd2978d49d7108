"""The flat Adam against torch's."""

from __future__ import annotations

import torch

from trainer.fit.adam import Adam


def test_equals_torch_with_groups_of_different_rates() -> None:
    start = torch.randn(10, dtype=torch.float64)
    theta, gradient = start.clone(), torch.zeros(10, dtype=torch.float64)
    ours = Adam(theta, gradient)
    ours.rates[:4], ours.rates[4:] = 1e-2, 3e-4
    parts = [torch.nn.Parameter(start[:4].clone()), torch.nn.Parameter(start[4:].clone())]
    theirs = torch.optim.Adam([{"params": [parts[0]], "lr": 1e-2}, {"params": [parts[1]], "lr": 3e-4}])
    for block in (3, 1, 5):
        scales = torch.rand(block, dtype=torch.float64) + 0.1
        ours.prepare(block, scales)
        for index in range(block):
            for group, rate in zip(theirs.param_groups, (1e-2, 3e-4), strict=True):
                group["lr"] = rate * float(scales[index])
            g = torch.randn(10, dtype=torch.float64)
            gradient.copy_(g)
            parts[0].grad, parts[1].grad = g[:4].clone(), g[4:].clone()
            ours.step(index)
            theirs.step()
    torch.testing.assert_close(theta, torch.cat([part.detach() for part in parts]), rtol=1e-9, atol=1e-12)


def test_rate_zero_keeps_a_parameter_where_it_is() -> None:
    theta, gradient = torch.ones(2), torch.ones(2)
    adam = Adam(theta, gradient)
    adam.rates[0] = 0.1
    adam.prepare(1)
    adam.step(0)
    assert theta[1] == 1.0
    assert theta[0] < 1.0
