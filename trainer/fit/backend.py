"""Who computes a model's passes: by hand (`fast`), or torch_geometric and autograd (`pyg`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch

from state.config import GraphModelConfig, TrainingConfig
from trainer.fit.step import Step
from trainer.model.gnn import GNN
from trainer.model.protocol import Model, TrainingStep

if TYPE_CHECKING:
    from trainer.fly.connectome import Connectome
    from trainer.fly.simulate import Recording
    from trainer.model.pyg import PygModel


def make_model(
    config: GraphModelConfig,
    connectome: Connectome,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> Model:
    """The model with all parameters 0; `Model.initialise` draws them."""
    if config.backend == "fast":
        return GNN(config, connectome, device, dtype)
    # Imported here because torch_geometric takes two seconds to import and most slots do not use it.
    from trainer.model.pyg import PygModel

    return PygModel(config, connectome, device, dtype)


def make_step(model: Model, data: Recording, training: TrainingConfig, xnorm: float) -> TrainingStep:
    """The forward and backward pass that belongs to ``model``."""
    if isinstance(model, GNN):
        return Step(model, data, training, xnorm)
    from trainer.fit.pyg_step import PygStep

    return PygStep(cast("PygModel", model), data, training, xnorm)
