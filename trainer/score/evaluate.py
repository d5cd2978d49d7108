"""All metrics of a trained network, with the reasons of those that are undefined."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from state.config import SlotConfig
from trainer.model.protocol import Model
from trainer.score.cluster import cluster_accuracy, neuron_features
from trainer.score.comparable import identity_scores, pearson_of_moving, raw_weights
from trainer.score.metrics import Activity, Recovered, active_score, recover, recovery_scores, signal_curves
from trainer.score.prediction import one_step_scores, rollout, rollout_scores

if TYPE_CHECKING:
    from trainer.fly.connectome import Connectome
    from trainer.fly.simulate import Dataset


@dataclass
class Evaluation:
    """The metrics (None where undefined, reason in ``missing``), further figures, and what the pictures show."""

    metrics: dict[str, float | None] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    extra: dict[str, float] = field(default_factory=dict)
    found: Recovered | None = None
    traces: Tensor | None = None
    signals: tuple[Tensor, Tensor] | None = None  # voltages [K], and g_phi^2 of each neuron there over its slope [K, N]

    def set(self, name: str, value: float | None, reason: str = "", **extra: float | None) -> None:
        """Record one metric and, beside it, the figures in ``extra`` that are defined."""
        self.metrics[name] = value
        if value is None:
            self.missing[name] = reason
        self.extra.update({key: x for key, x in extra.items() if x is not None and math.isfinite(x)})


def evaluate(model: Model, data: Dataset, truth: Connectome, stats: Activity, config: SlotConfig) -> Evaluation:
    """Every metric but training_time_min; definitions in `trainer.score.metrics` and `trainer.score.cluster`.

    Beside them, in ``extra``, the same by the definitions of `trainer.score.comparable`.
    """
    result = Evaluation()
    with torch.inference_mode():
        found = recover(model, data.train, stats)
        for name, score in recovery_scores(found, truth).items():
            result.set(name, score.r2, score.reason, **{f"{name.removesuffix('_R2')}_slope": score.slope})
        active, silent = active_score(found, truth, stats)
        if active.r2 is not None:
            result.extra |= {"connectivity_R2_active": active.r2, "silent_neurons": float(silent)}
        features = neuron_features(
            model.a.t().double().cpu().numpy(), found.tau, found.V_rest, found.W, truth.source, truth.target
        )
        types = np.asarray(truth.type_index)
        result.set("cluster_accuracy", *cluster_accuracy(features, types, config.training.cluster_features))
        one_step, nearby = one_step_scores(model, data.test, config.simulation.delta_t)
        result.set("test_R2", one_step.r2, one_step.reason, test_slope=one_step.slope, onestep_pearson=nearby)
        traces = rollout(model, data, config.simulation.delta_t)
        rolled = rollout_scores(traces, data.rollout_voltage)
        extra = {
            "test_pearson_median": rolled.median,
            "test_pearson_neurons": float(rolled.neurons) or None,
            "test_pearson_moving": pearson_of_moving(traces, data.rollout_voltage),
        }
        result.set("test_pearson", rolled.mean, rolled.reason, **extra)
        result.signals = signal_curves(model, stats)
    result.extra |= identity_scores(found, truth) | raw_weights(model.W.double().cpu().numpy(), found, truth)
    result.found, result.traces = found, traces
    return result
