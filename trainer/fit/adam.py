"""Adam on one flat vector, in place, without reading anything back from the device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Adam (Kingma and Ba 2015, with bias correction) with a learning rate per parameter, ``rates`` [P].

    `prepare` lays out the bias corrections of the next steps, ``factors`` [n, 2]; `step` then only runs operations on
    the device. What is in ``before`` may change the gradient of each step, what is in ``after`` the parameters.
    """

    def __init__(self, theta: Tensor, gradient: Tensor) -> None:
        self.theta, self.gradient = theta, gradient
        self.rates = torch.zeros_like(theta)
        self._mean, self._square, self._scratch = (torch.zeros_like(theta) for _ in range(3))
        self.before: list[Callable[[], None]] = []
        self.after: list[Callable[[], None]] = []
        self.n_steps = 0  # prepared since the beginning, or since `restart`
        self.factors = theta.new_zeros(0, 2)

    def prepare(self, n: int, rate: Tensor | None = None) -> None:
        """Compute the corrections of the next ``n`` steps in float64; ``rate`` [n] > 0 multiplies all rates."""
        t = torch.arange(self.n_steps + 1, self.n_steps + n + 1, dtype=torch.float64)
        first, second = 1 - BETA1**t, 1 - BETA2**t
        # mean / first / (sqrt(square / second) + eps) = mean / (sqrt(square) * factor + offset)
        factors = torch.stack([first / second.sqrt(), EPSILON * first], dim=1)
        if rate is not None:
            factors /= rate[:, None]  # dividing what divides the step is multiplying the step, at no cost
        self.factors = factors.to(self.theta.dtype).to(self.theta.device)
        self.n_steps += n

    def step(self, index: int) -> None:
        """Step ``index`` (from 0) of those prepared last; ``gradient`` is overwritten."""
        self.apply(*self.factors[index].unbind())

    def apply(self, factor: Tensor, offset: Tensor) -> None:
        """One step with its two corrections given on the device."""
        gradient, scratch = self.gradient, self._scratch
        for change in self.before:
            change()
        self._mean.lerp_(gradient, 1 - BETA1)
        self._square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        torch.sqrt(self._square, out=scratch)
        torch.addcmul(offset, scratch, factor, out=scratch)
        torch.div(self._mean, scratch, out=gradient)
        self.theta.addcmul_(gradient, self.rates, value=-1.0)
        for change in self.after:
            change()

    def restart(self) -> None:
        """Forget all averages, in place, as before the first step."""
        self._mean.zero_()
        self._square.zero_()
        self.n_steps = 0

    def state(self) -> tuple[Tensor, Tensor]:
        """The averages [P] of gradient and squared gradient; with the number of steps, all that is remembered."""
        return self._mean, self._square

    def restore(self, mean: Tensor, square: Tensor, n_steps: int) -> None:
        """Go on, in place, as after ``n_steps`` steps that left these averages."""
        self._mean.copy_(mean)
        self._square.copy_(square)
        self.n_steps = n_steps
