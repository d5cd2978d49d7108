"""The doctor says when a screening batch that a campaign allows can never come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.commands.doctor_screening import screening, screening_in_time
from state.campaign import Campaign, load_campaign
from state.errors import ConfigError
from tests.agent.conftest import write_campaign


def campaign(folder: Path, **changes: Any) -> Campaign:
    return load_campaign(write_campaign(folder / "c.yaml", **{"policy": {"screening": 2}} | changes))


def test_nothing_is_said_where_none_is_allowed(tmp_path: Path) -> None:
    assert screening(campaign(tmp_path, policy={}), tmp_path) == []
    assert screening_in_time(campaign(tmp_path, policy={}), 80.0) == []


def test_what_may_come_and_when(tmp_path: Path) -> None:
    (found,) = screening(campaign(tmp_path), tmp_path)
    assert found.ok
    assert found.message == "at most 2 batches may vary 3 keys at once, batch 2 the first of them"
    (found,) = screening(campaign(tmp_path, budget={"max_batches": 1}), tmp_path)
    assert found.ok
    assert found.message.endswith("none can come this evening, which ends with batch 1 (budget.max_batches)")


def test_a_sampler_proposes_none(tmp_path: Path) -> None:
    (found,) = screening(campaign(tmp_path, explorer="random"), tmp_path)
    assert not found.ok
    assert "never proposes one" in found.message
    assert found.mend.startswith("set policy.screening: 0")


def test_too_few_keys_within_the_time_limit(tmp_path: Path) -> None:
    assert screening_in_time(campaign(tmp_path, policy={"screening": 1, "time_limit_min": 90}), 80.0) == []
    length = {"training.n_epochs": {"choices": [2, 3]}, "training.data_augmentation_loop": {"choices": [20, 25]}}
    keys = length | {"training.alternate_joint_ratio": {"choices": [0.3, 0.4]}}
    policy = {"baseline_runs": 4, "screening": 1, "time_limit_min": 90}
    few = Campaign.model_validate({"name": "few", "explorable": keys, "policy": policy})
    (found,) = screening_in_time(few, 80.0)
    assert not found.ok
    assert "only 1 keys can be varied at once" in found.message
    assert screening_in_time(few, 20.0) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"search": {"n_parallel": 6}}, "policy.screening needs batches of 4, 8 or 16 slots (search.n_parallel)"),
        ({"policy": {"screening": 1, "design": "one_change"}}, "policy.screening needs policy.design: roles"),
        ({"policy": {"screening": 11}}, "policy.screening is 11; input should be less than or equal to 10"),
        ({"policy": {"screening": -1}}, "policy.screening is -1; input should be greater than or equal to 0"),
    ],
)
def test_what_cannot_be_is_refused_when_the_campaign_is_read(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as refused:
        campaign(tmp_path, **changes)
    assert said in str(refused.value)


def test_a_campaign_of_two_keys_screens_none() -> None:
    keys = {"training.n_epochs": {"choices": [2, 3]}, "training.alternate_joint_ratio": {"choices": [0.3, 0.4]}}
    with pytest.raises(ValueError, match="varies 3 keys at once, but explorable has only 2 with more than one value"):
        Campaign.model_validate({"name": "few", "explorable": keys, "policy": {"screening": 1}})
