"""What the next batch must hold, as a table of standings, and how a slot's minutes are learned from those before it."""

from __future__ import annotations

from typing import Any

import pytest

from agent.ledger.policy import FirstTimes, Standing, demand, exploring_slots, slot_minutes, work
from prompts.context import Demand, RunAhead
from state.campaign import Campaign
from state.config import SlotConfig
from state.records import Failure, SlotResult
from state.schema import validate
from tests.prompts.facts import batch_context

RATIO = {"training.alternate_joint_ratio": {"choices": [0.2, 0.4]}}
CAMPAIGN = validate(Campaign, {"name": "t", "explorable": RATIO}, "c.yaml")
BASE = SlotConfig()


def standings(*runs: int) -> list[Standing]:
    """Configs C1, C2, ... with these runs, the best first."""
    return [Standing(f"C{n}", count, 0.9 - 0.1 * n) for n, count in enumerate(runs, start=1)]


@pytest.mark.parametrize(
    ("planned", "runs", "baseline", "replicates", "says"),
    [
        (0, (), True, 0, "12 of 12 baseline runs are still to be made"),
        (8, (8,), True, 0, "4 of 12"),
        (11, (11,), True, 0, "1 of 12"),
        (12, (12,), False, 2, "2 of the top 3 not yet found"),
        (20, (12, 3, 3), False, 1, "the top 3 configs have at least 3 runs"),
        (20, (12, 3, 2), False, 2, "C3 (2)"),
        (20, (1, 12, 2), False, 2, "C1 (1), C3 (2)"),
        (40, (3, 4, 5, 1, 1), False, 1, "the top 3"),
        (16, (12, 1), False, 2, "C2 (1); 1 of the top 3 not yet found"),
    ],
)
def test_demand(planned: int, runs: tuple[int, ...], baseline: bool, replicates: int, says: str) -> None:
    want = demand(CAMPAIGN, planned, standings(*runs))
    assert (want.baseline, want.min_replicates) == (baseline, replicates)
    assert says in want.reason


def test_the_top_are_the_first_whatever_their_mean() -> None:
    weak = [*standings(3, 3, 3), Standing("C9", 1, 0.95)]
    assert demand(CAMPAIGN, 20, weak).min_replicates == 1
    strong = [Standing("C9", 1, 0.1), *standings(3, 3, 3)]
    assert demand(CAMPAIGN, 20, strong).min_replicates == 2


def test_the_numbers_are_the_campaigns() -> None:
    policy = {"baseline_runs": 4, "min_replicates": 3, "min_replicates_later": 0, "top_configs": 1, "runs_of_top": 2}
    campaign = validate(Campaign, {"name": "t", "explorable": RATIO, "policy": policy}, "c.yaml")
    assert demand(campaign, 3, standings(3)).baseline
    assert demand(campaign, 4, standings(1)).min_replicates == 3
    assert demand(campaign, 4, standings(2)).min_replicates == 0


def result(data: float | None, training: float | None) -> SlotResult:
    seconds = {name: value for name, value in (("data", data), ("training", training)) if value is not None}
    failure = Failure(kind="timed_out", message="x") if training is None else None
    status = "failed" if failure else "done"
    return SlotResult(run_id="r", config_hash="h", status=status, seconds=seconds, failure=failure)


def test_minutes_are_of_all_stages_or_unknown() -> None:
    assert slot_minutes(result(60, 540)) == 10
    whole = result(60, 540)
    whole.seconds.update(connectome=30, evaluation=60, pictures=30)
    assert slot_minutes(whole) == 12
    assert slot_minutes(whole, format=1) == 10
    assert slot_minutes(result(60, None)) is None
    assert slot_minutes(result(None, None)) is None


def test_work_grows_with_what_makes_a_slot_longer() -> None:
    for key, value in (
        ("training.n_epochs", 3),
        ("training.data_augmentation_loop", 25),
        ("graph_model.hidden_dim", 128),
        ("graph_model.n_layers_update", 4),
        ("simulation.n_frames", 128_000),
    ):
        assert work(BASE.replaced({key: value})) > work(BASE), key


def test_prediction_scales_the_median_and_shrugs_off_outliers_and_failures() -> None:
    times = FirstTimes()
    assert times.predict(BASE) is None
    times.learn(BASE, result(None, None), 1)
    assert times.predict(BASE) is None
    for minutes in (10, 11, 500):
        times.learn(BASE, result(0, 60 * minutes), 1)
    assert times.predict(BASE) == pytest.approx(11)
    assert times.predict(BASE.replaced({"training.n_epochs": 4})) == pytest.approx(22)


def test_old_slots_are_forgotten() -> None:
    times = FirstTimes(keep=3)
    for minutes in (90, 90, 90, 5, 5, 5):
        times.learn(BASE, result(0, 60 * minutes), 1)
    assert times.predict(BASE) == pytest.approx(5)


@pytest.mark.parametrize(
    ("demanded", "slots"),
    [
        ({"min_replicates": 2}, [0, 1]),
        ({"min_replicates": 2, "control": [1]}, [0]),
        ({"min_replicates": 0}, [0, 1, 2]),
        ({"min_replicates": 1, "ahead": [0]}, [1, 2]),
        ({"min_replicates": 0, "ahead": [1, 3]}, [0, 2]),
    ],
)
def test_new_configs_are_tried_in_the_first_slots_that_are_nobody_s(demanded: dict[str, Any], slots: list[int]) -> None:
    taken = [
        RunAhead(slot=slot, iteration=9, config_id="C1", parent=1, simulation_seed=1)
        for slot in demanded.pop("ahead", [])
    ]
    wanted = Demand(baseline=False, reason="", ahead=taken, **demanded)
    context = batch_context().model_copy(update={"n_parallel": 4, "demand": wanted})
    assert exploring_slots(context) == slots
