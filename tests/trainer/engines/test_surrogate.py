"""The response surface: repeatable, answering to what is explored, and never taken for a training run."""

from __future__ import annotations

import statistics
from typing import Literal

import pytest

from state.config import Scalar, SlotConfig
from state.metrics import METRICS
from state.surrogate import SurrogateConfig
from trainer.engines.surrogate import LABEL, OPTIMUM, PEAK, distance, surrogate_result

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
    assert list(result.metrics) == list(METRICS)
    assert {point.phase for point in result.trajectory} == {"joint", "V_rest"}


def test_standard_training_lacks_v_rest_by_what_the_campaign_says() -> None:
    standard = BASE.replaced({"training.alternate_training": False})
    plain, worse = (surrogate_result(standard, "r", SurrogateConfig(standard_loss=loss)) for loss in (0.0, 0.1))
    assert {point.phase for point in worse.trajectory} == {"standard"}
    values = [run.metrics["V_rest_R2"] for run in (plain, worse)]
    assert values[0] == pytest.approx(values[1] + 0.1)
    assert plain.metrics["connectivity_R2"] == worse.metrics["connectivity_R2"]
    assert surrogate_result(BASE, "r", SurrogateConfig(standard_loss=0.1)) == surrogate_result(BASE, "r")


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
    assert 0.3 * PEAK.failure_share * 400 < failed < 3 * PEAK.failure_share * 400


def values(surface: SurrogateConfig, name: str, changes: dict[str, Scalar], seeds: range) -> list[float | None]:
    configs = (BASE.replaced(changes | {"simulation.seed": s, "training.seed": 1000 + s}) for s in seeds)
    return [surrogate_result(config, "r", surface).metrics.get(name) for config in configs]


def test_on_the_flat_surface_nothing_matters_but_the_seeds() -> None:
    flat = SurrogateConfig(surface="flat", noise_data=0.03, noise_training=0.0, failure_share=0.0)
    away: dict[str, Scalar] = {"training.alternate_joint_ratio": 0.6, "training.coeff_W_L1": 1e-3}
    found = values(flat, "connectivity_R2", {}, range(200))
    assert found == values(flat, "connectivity_R2", away, range(200))
    assert statistics.stdev(v for v in found if v is not None) == pytest.approx(0.03, rel=0.2)


def test_on_the_ridge_one_key_raises_one_metric() -> None:
    ridge = SurrogateConfig(surface="ridge", effect=0.05, noise_data=0.0, noise_training=0.0, failure_share=0.0)
    low, high = ({"training.alternate_joint_ratio": value} for value in (0.4, 0.5))
    for name, gain in (("V_rest_R2", 0.05), ("connectivity_R2", 0.0)):
        (a,), (b,) = (values(ridge, name, changes, range(1)) for changes in (low, high))
        assert a is not None
        assert b == pytest.approx(a + gain)


@pytest.mark.parametrize("bad_by", ["run", "data_seed"])
def test_bad_runs_are_as_many_as_it_says_and_of_the_kind_it_says(bad_by: Literal["run", "data_seed"]) -> None:
    surface = SurrogateConfig(surface="flat", bad_share=0.25, bad_by=bad_by, failure_share=0.0)
    first, second = (
        [v is not None and v < 0.6 for v in values(surface, "connectivity_R2", changes, range(400))]
        for changes in ({}, {"training.coeff_W_L1": 1e-3})
    )
    assert 0.18 * 400 < sum(first) < 0.32 * 400
    assert (first == second) == (bad_by == "data_seed")


def test_heavy_tails_reach_further_at_the_same_variance() -> None:
    far = {}
    for tails in ("normal", "heavy"):
        surface = SurrogateConfig(surface="flat", noise_data=0.02, noise_training=0.0, tails=tails, failure_share=0.0)
        found = values(surface, "connectivity_R2", {}, range(1000))
        far[tails] = sum(v is not None and abs(v - 0.9) > 0.06 for v in found)
    assert far["heavy"] > 2 * far["normal"]
