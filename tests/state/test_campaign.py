"""Campaigns: the shipped ones load, and each mistake in one is a sentence that says what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from state.campaign import Campaign, load_campaign
from state.config import SlotConfig
from state.errors import ConfigError
from state.explorable import PROTECTED, Explorable, protection
from state.files import dump_yaml
from state.schema import validate

CAMPAIGNS = sorted((Path(__file__).resolve().parents[2] / "campaigns").glob("*.yaml"))
RATIO = {"training.alternate_joint_ratio": {"choices": [0.2, 0.4]}}


def make(**changes: Any) -> Campaign:
    return validate(Campaign, {"name": "t", "explorable": RATIO} | changes, "c.yaml")


@pytest.mark.parametrize("path", CAMPAIGNS, ids=lambda path: path.stem)
def test_every_shipped_campaign_loads(path: Path) -> None:
    campaign = load_campaign(path)
    assert campaign.base_config().training.alternate_training
    assert campaign.name == path.stem


def test_the_full_size_campaign_is_the_addendums() -> None:
    campaign = load_campaign(next(p for p in CAMPAIGNS if "gs_alternate" in p.name))
    choices = {key.split(".")[1]: rule.choices for key, rule in campaign.explorable.items() if rule.choices}
    assert choices == {
        "alternate_joint_ratio": [0.2, 0.3, 0.4, 0.5, 0.6],
        "alternate_lr_ratio": [0.01, 0.05, 0.1, 0.2, 0.3],
        "n_epochs": [2, 3],
        "data_augmentation_loop": [20, 25, 30],
    }
    base = campaign.base_config()
    assert (base.simulation.extent, base.simulation.n_frames) == (8, 64_000)
    # But for the step of the published runs, it is the predecessor's training as it is today.
    assert base.training == SlotConfig().training.model_copy(update={"g_phi_diff_step": "relative"})
    assert (campaign.search.n_parallel, campaign.search.n_iter_block, campaign.policy.baseline_runs) == (4, 12, 12)
    assert campaign.policy.time_limit_min == 90


@pytest.mark.parametrize("key", sorted(PROTECTED))
def test_protected_keys_cannot_be_made_explorable(key: str) -> None:
    sections = {"simulation": "n_frames", "connectome": "seed", "search": "ucb_c", "policy": "max_changes"}
    full = f"{key}.{sections[key]}" if key in sections else key
    assert protection(full)
    with pytest.raises(ConfigError, match="protected"):
        make(explorable={full: {"min": 1, "max": 10}})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"explorable": {"training.n_epoch": {"choices": [2]}}}, "did you mean training.n_epochs"),
        ({"explorable": {"training.n_epochs": {"choices": [3]}}}, "the default training.n_epochs = 2 is not one of 3"),
        ({"explorable": {"training.n_epochs": {"choices": [2, 0]}}}, "an allowed value of training.n_epochs"),
        ({"explorable": {"training.n_epochs": {"min": 1}}}, "either `choices"),
        ({"explorable": {"training.coeff_W_L1": {"min": 0, "max": 1, "scale": "log"}}}, "not positive"),
        ({"search": {"explorable": {"ucb_c": {"min": 2, "max": 3}}}}, "the default ucb_c = 1.414 is not 2 to 3"),
        ({"search": {"explorable": {"n_parallel": {"min": 2, "max": 3}}}}, "search.explorable.n_parallel"),
        ({"name": "../up"}, "name"),
        ({"engine": {"kind": "cloud"}}, "engine.kind"),
        ({"polcy": {}}, "did you mean policy"),
        ({"explorable": {"training.n_epochs": {"chioces": [2]}}}, "did you mean choices?"),
        ({"explorable": {"training.n_epochs": {"choices": [2, "many"]}}}, "training.n_epochs is 'many'"),
        ({"explorable": {"training.n_epochs": {"min": 1.5, "max": 3}}}, "an allowed value of training.n_epochs"),
        ({"explorable": {"training.w_init_mode": {"choices": ["randn_scaled", "ones"]}}}, "w_init_mode is 'ones'"),
        ({"search": {"n_parallel": 2, "n_iter_block": 4}}, "leave no slot of 2"),
        ({"policy": {"min_replicates_later": 4}}, "lower policy.min_replicates"),
    ],
)
def test_a_bad_campaign_is_one_sentence(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**changes)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_allows_is_strict_about_kinds() -> None:
    numbers, span = Explorable(choices=[2, 3]), Explorable(min=0.1, max=1.0)
    assert numbers.allows(3)
    assert numbers.allows(3.0)
    assert not numbers.allows(4)
    assert not numbers.allows("3")
    assert not numbers.allows(True)
    assert span.allows(0.1)
    assert not span.allows(1.1)
    assert not span.allows("0.5")
    assert not span.allows(True)
    assert not numbers.allows(10**400)
    assert not span.allows(10**400)


def test_replicates_may_fill_a_batch_where_the_rule_only_warns() -> None:
    campaign = make(search={"n_parallel": 2, "n_iter_block": 4}, policy={"replicates": "warn"})
    assert campaign.policy.min_replicates == campaign.search.n_parallel


def test_engine_and_budget_are_outside_the_identity() -> None:
    assert make().identity() == make(engine={"slots_at_once": 1}, budget={"max_batches": 2}).identity()
    assert make().identity() != make(policy={"max_changes": 1}).identity()


def test_what_stood_in_claude_before_is_read_as_search_with_a_note(tmp_path: Path) -> None:
    told: list[str] = []
    file, policy = tmp_path / "old.yaml", {"min_replicates": 1}
    tree = {"name": "t", "explorable": RATIO, "policy": policy}
    cut = {"n_parallel": 2, "n_iter_block": 4}
    file.write_text(dump_yaml(tree | {"claude": cut | {"pictures": False}}))
    old = load_campaign(file, told.append)
    assert (old.search.n_parallel, old.search.n_iter_block, old.claude.pictures) == (2, 4, False)
    assert told == [
        f"{file}: n_parallel, n_iter_block belong to the section search now, and are read as if they stood there"
    ]
    new = make(search=cut, claude={"pictures": False}, policy=policy)
    assert old.identity() == new.identity()
    file.write_text(dump_yaml(tree | {"claude": {"ucb_c": 1.0}, "search": {"ucb_c": 2.0}}))
    with pytest.raises(ConfigError, match=r"claude\.ucb_c and search\.ucb_c say the same thing twice; keep search"):
        load_campaign(file)
    with pytest.raises(ConfigError, match=r"claude\.n_iter_blok is not a known key"):
        make(claude={"n_iter_blok": 4})


def test_the_identity_is_that_of_the_first_release() -> None:
    """Runs go on under it: a change of this digest would part every one of them from its campaign."""
    golden = Path(__file__).parent / "golden" / "campaign_format1.yaml"
    told: list[str] = []
    campaign = load_campaign(golden, told.append, format=1)
    assert campaign.identity() == "3a14dc26d063256ede0ae08df89d8afc3f4a44364a6eca2046605d8150636501"
    assert any("belong to the section search" in note for note in told)
