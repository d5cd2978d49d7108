"""The response surface: repeatable, answering to what is explored, and never taken for a training run."""

from __future__ import annotations

import pytest

from state.config import Scalar, SlotConfig
from state.records import METRICS
from trainer.engines.surrogate import FAILURE_RATE, LABEL, OPTIMUM, distance, surrogate_result

BASE = SlotConfig()


def connectivity(changes: dict[str, Scalar], seeds: range) -> list[float]:
    """connectivity_R2 of the runs that did not fail."""
    runs = (surrogate_result(BASE.replaced(changes | {"simulation.seed": s, "training.seed": s}), "r") for s in seeds)
    return [value for run in runs if (value := run.metrics.get("connectivity_R2")) is not None]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_the_same_config_and_seeds_give_the_same_result_and_others_another() -> None:
    assert surrogate_result(BASE, "r") == surrogate_result(BASE, "r")
    other = surrogate_result(BASE.replaced({"training.seed": 1}), "r")
    assert other.metrics != surrogate_result(BASE, "r").metrics


def test_a_result_says_that_nothing_was_trained() -> None:
    result = surrogate_result(BASE, "r")
    assert result.truth == result.stimulus == LABEL
    assert "SURROGATE" in LABEL
    assert (result.run_id, result.config_hash) == ("r", BASE.hash())
    assert tuple(result.metrics) == METRICS
    assert {point.phase for point in result.trajectory} == {"joint", "V_rest"}


@pytest.mark.parametrize("key", sorted(OPTIMUM))
def test_every_explored_key_moves_the_surface(key: str) -> None:
    best = {name: int(value) if name in WHOLE else value for name, (value, _, _) in OPTIMUM.items()}
    away = int(best[key] * 2) if key in WHOLE else min(best[key] * 2, 0.99) if best[key] < 1 else best[key] * 2
    assert distance(BASE.replaced(best)) == 0
    assert distance(BASE.replaced(best | {key: away})) > 0


WHOLE = ("training.n_epochs", "training.data_augmentation_loop")


def test_better_settings_score_better_on_average() -> None:
    far = {"training.coeff_g_phi_diff": 100.0, "training.alternate_joint_ratio": 0.2}
    near = {"training.coeff_g_phi_diff": 900.0, "training.alternate_joint_ratio": 0.5}
    assert mean(connectivity(near, range(40))) > mean(connectivity(far, range(40))) + 0.05


def test_some_runs_fail_and_about_as_many_as_it_says() -> None:
    failed = 400 - len(connectivity({}, range(400)))
    assert 0.3 * FAILURE_RATE * 400 < failed < 3 * FAILURE_RATE * 400
