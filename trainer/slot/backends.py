"""Whether both backends compute the same step of a config, on this machine and device.

`python -m trainer.slot.backends CONFIG` prints JSON, from the cache when neither config nor trainer changed. At full
size, in double precision, from the config's own start: the loss with all penalties and every gradient.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from state.config import SlotConfig
from trainer.fit.backend import make_model, make_step
from trainer.fly.connectome import Connectome, load_connectome
from trainer.fly.simulate import Recording, generate
from trainer.model.gnn import GNN
from trainer.model.protocol import Model
from trainer.score.metrics import activity
from trainer.slot import runtime
from trainer.slot.remembered import answer
from trainer.slot.trial import shortened

if TYPE_CHECKING:
    from trainer.model.pyg import PygModel

# Sums in another order differ in the last digits of a double; a wrong term differs in the first of any.
ALLOWED = 1e-6


@dataclass(frozen=True)
class Compared:
    """How far the two backends are apart, each relative to the larger of the two; ``fault`` says where too far."""

    loss: float
    gradients: dict[str, float]
    device: str
    fault: str


def compare_backends(config: SlotConfig) -> Compared:
    """One step of ``config`` by both backends; ConfigError when its data cannot be had."""
    short = shortened(config)
    device = runtime.choose_device(config.training.device)
    truth = load_connectome(short.connectome, short.simulation.extent, short.simulation.delta_t)
    with runtime.prepared(device):
        data = generate(short, truth, device).train
        xnorm = config.training.xnorm_scale * activity(data).std
        for part in ("voltage", "derivative", "stimulus"):
            setattr(data, part, getattr(data, part).double())
        fast, reference = (_step(short, truth, data, device, name, xnorm) for name in ("fast", "pyg"))
    # By name: a parameter that only the reference has, an idea on trial, is a difference as well.
    names = dict.fromkeys((*fast[1], *reference[1]))
    off = {name: _apart(*(side.get(name, torch.zeros(())) for side in (fast[1], reference[1]))) for name in names}
    loss = _apart(fast[0], reference[0])
    wrong = [name for name, part in {"the loss": loss, **off}.items() if not part <= ALLOWED]
    fault = f"fast and pyg differ in {', '.join(wrong)} (by {max(loss, *off.values()):.1e})" if wrong else ""
    return Compared(loss, off, str(device), fault)


def _step(
    config: SlotConfig, truth: Connectome, data: Recording, device: torch.device, backend: str, xnorm: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss with all penalties, and every gradient."""
    chosen = config.replaced({"graph_model.backend": backend})
    model = make_model(chosen.graph_model, truth, device, torch.float64)
    model.initialise(chosen.training)
    frames = torch.linspace(0, len(data.voltage) - 1, chosen.training.batch_size, device=device).long()
    step = make_step(model, data, chosen.training, xnorm)
    with torch.inference_mode():
        step(frames, 0)
    return step.total_loss(), named_gradients(model)


def named_gradients(model: Model) -> dict[str, Tensor]:
    """Gradients by the reference's parameter names."""
    if not isinstance(model, GNN):
        module = cast("PygModel", model).module
        return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    found = {"W": model.d_W, "a": model.d_a.t()}
    for name in ("g_phi", "f_theta"):
        for layer, gradient in enumerate(getattr(model, name).gradients):
            # The last row of a hidden layer is constant; it carries the bias.
            rows = gradient if gradient.shape[0] == 1 else gradient[:-1]
            found |= {f"{name}.lins.{layer}.weight": rows[:, :-1], f"{name}.lins.{layer}.bias": rows[:, -1]}
    return found


def _apart(a: Tensor, b: Tensor) -> float:
    """||a - b|| / max(||a||, ||b||)."""
    size = max(float(a.norm()), float(b.norm()))
    return float((a - b).norm()) / size if size else 0.0


def main(arguments: list[str]) -> int:
    """The command line: see `trainer.slot.remembered.answer`."""
    return answer(arguments, "backends", lambda config: asdict(compare_backends(config)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
