"""A made-up response surface instead of a training run, to exercise the loop. It says so in every result it makes.

connectivity_R2, tau_R2, V_rest_R2 and cluster_accuracy fall with the squared distance of the explored settings from a
fixed optimum (in decades for rates and coefficients), plus noise of the data (simulation seed) and of training
(training seed); a few per cent of the runs fail. The same config and seeds always give the same result. On other
surfaces of `state.surrogate` nothing matters, or one key does: there it is known what a night must not, or must, find.
"""

from __future__ import annotations

import math

import numpy as np

from state.config import SlotConfig
from state.metrics import METRICS
from state.records import Failure, Phase, SlotResult, TrajectoryPoint
from state.surrogate import SurrogateConfig

LABEL = "SURROGATE response surface, no network was trained"
PEAK = SurrogateConfig()
# connectivity_R2, V_rest_R2 and tau_R2 where nothing matters, with their noise in units of connectivity_R2's.
FLAT = ((0.9, 1.0), (0.5, 1.0), (0.9, 1 / 3))
RIDGE_FROM = 0.5
HEAVY = 3
OPTIMUM = {
    "training.alternate_joint_ratio": (0.5, 0.3, False),
    "training.alternate_lr_ratio": (0.05, 1.2, True),
    "training.n_epochs": (3.0, 3.0, False),
    "training.data_augmentation_loop": (30.0, 25.0, False),
    "training.coeff_g_phi_diff": (900.0, 1.0, True),
    "training.coeff_W_L1": (1e-4, 2.0, True),
}


def surrogate_result(config: SlotConfig, run_id: str, surface: SurrogateConfig = PEAK) -> SlotResult:
    """The result of ``config``; equal arguments give equal results."""
    run = [config.simulation.seed, config.training.seed, int(config.identity()[:8], 16)]
    rng, data = np.random.default_rng(run), np.random.default_rng(config.simulation.seed)
    if rng.random() < surface.failure_share:
        failure = Failure(kind="diverged", message="surrogate: a failure drawn at random")
        return SlotResult(run_id=run_id, config_hash=config.hash(), status="failed", failure=failure, device="none")
    draws = [_draw(one, surface) for one in (data, rng)]
    noise = [float(x) for x in surface.noise_data * draws[0] + surface.noise_training * draws[1]]
    conn, vrest, tau = _surface(config, surface, noise)
    vrest = vrest if config.training.alternate_training else _clip(vrest - surface.standard_loss)
    if _is_bad(run, surface):
        conn, vrest, tau = 0.5 * conn, 0.2 * vrest, 0.9 * tau
    work = config.training.n_epochs * config.training.data_augmentation_loop
    return SlotResult(
        run_id=run_id,
        config_hash=config.hash(),
        status="done",
        metrics=_metrics(conn, vrest, tau, 1.9 * work),
        trajectory=_trajectory(config, conn, vrest, tau),
        seconds={"data": 1.0, "training": 60 * 1.9 * work, "evaluation": 0.1},
        device="none",
        truth=LABEL,
        stimulus=LABEL,
    )


def _metrics(conn: float, vrest: float, tau: float, minutes: float) -> dict[str, float | None]:
    values = {
        "connectivity_R2": conn,
        "tau_R2": tau,
        "V_rest_R2": vrest,
        "cluster_accuracy": _clip(0.6 + 0.3 * conn),
        "test_R2": _clip(conn + 0.02),
        "test_pearson": _clip(conn - 0.05),
        "training_time_min": minutes,
    }
    return {name: values[name] for name in METRICS}


def true_metrics(config: SlotConfig, surface: SurrogateConfig = PEAK) -> dict[str, float | None]:
    """What ``config`` would have without noise, failures and bad runs."""
    return _metrics(*_surface(config, surface, [0.0, 0.0, 0.0]), minutes=0.0)


def _surface(config: SlotConfig, surface: SurrogateConfig, noise: list[float]) -> tuple[float, float, float]:
    if surface.surface != "peak":
        conn, vrest, tau = (_clip(level + share * one) for (level, share), one in zip(FLAT, noise, strict=True))
        gains = surface.surface == "ridge" and config.training.alternate_joint_ratio >= RIDGE_FROM
        return conn, _clip(vrest + surface.effect) if gains else vrest, tau
    away = distance(config)
    conn = _clip(0.96 - 0.12 * away + noise[0])
    vrest = _clip(0.55 - 0.35 * away + 4 * noise[1])
    tau = _clip(0.97 - 0.05 * away + noise[2])
    return conn, vrest, tau


def _draw(rng: np.random.Generator, surface: SurrogateConfig) -> np.ndarray:
    """Three numbers of variance 1."""
    if surface.tails == "normal":
        return rng.standard_normal(3)
    return rng.standard_t(HEAVY, 3) / math.sqrt(HEAVY / (HEAVY - 2))


def _is_bad(run: list[int], surface: SurrogateConfig) -> bool:
    """Whether the run, or every run on its data seed, is badly recovered; drawn apart from the noise."""
    key = [*run, 1] if surface.bad_by == "run" else [run[0], 1]
    return bool(surface.bad_share) and np.random.default_rng(key).random() < surface.bad_share


def distance(config: SlotConfig) -> float:
    """Squared distance from the optimum, each key in units of its own width."""
    flat, total = config.flat(), 0.0
    for key, (best, width, decades) in OPTIMUM.items():
        value = float(flat[key])
        gap = math.log10(max(value, 1e-12) / best) if decades else value - best
        total += (gap / width) ** 2
    return total


def _trajectory(config: SlotConfig, conn: float, vrest: float, tau: float) -> list[TrajectoryPoint]:
    rows, points = [], config.training.n_metric_points
    for epoch in range(config.training.n_epochs):
        for step in range(1, points + 1):
            share = (epoch + step / points) / config.training.n_epochs
            rise = (1 - math.exp(-6 * share)) / (1 - math.exp(-6))
            rows.append(
                TrajectoryPoint(
                    epoch=epoch,
                    iteration=(epoch * points + step) * 100,
                    connectivity_r2=conn * rise,
                    vrest_r2=vrest * share,
                    tau_r2=tau * rise,
                    phase=_phase(config, step / points),
                )
            )
    return rows


def _phase(config: SlotConfig, share: float) -> Phase:
    """The phase at a ``share`` of an epoch."""
    if not config.training.alternate_training:
        return "standard"
    return "joint" if share <= config.training.alternate_joint_ratio else "V_rest"


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
