"""Configs and campaigns of the first release mean, hash and read as they did; what is written new comes back whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from state.added import EARLIER_DEFAULTS, FORMAT
from state.campaign import begun_campaign, load_campaign
from state.config import Scalar, SlotConfig, difference, earlier_settings, flatten
from state.errors import RunError
from state.files import parse_yaml
from state.journal import Journal
from state.schema import validate

GOLDEN = Path(__file__).parent / "golden"
# Recorded by the first release.
CONFIG_HASH = "c79d51ac61850fa0f47f7c449a8057c6e5927437f36336b398d1111d85a7d3ba"
IDENTITY = "3a14dc26d063256ede0ae08df89d8afc3f4a44364a6eca2046605d8150636501"


def old_config() -> SlotConfig:
    text = (GOLDEN / "slot_config_format1.yaml").read_text()
    return validate(SlotConfig, parse_yaml(text, "old"), "old")


def test_a_config_of_the_first_release_keeps_its_text_its_hash_and_its_training() -> None:
    config = old_config()
    assert config.yaml() == (GOLDEN / "slot_config_format1.yaml").read_text()
    assert config.hash() == CONFIG_HASH
    assert {key: config.flat()[key] for key in earlier_settings()} == earlier_settings()
    assert config.training.annealing == "continuous"


def test_the_frozen_campaign_of_an_old_run_is_read_as_it_was_begun() -> None:
    text = (GOLDEN / "campaign_format1.yaml").read_text()
    old = begun_campaign({"campaign": "x"}, text)
    assert old.identity() == IDENTITY
    assert {key: old.base_config().flat()[key] for key in earlier_settings()} == earlier_settings()
    new = begun_campaign({"campaign": "x", "format": FORMAT}, text)
    assert new.identity() != IDENTITY
    assert new.training.annealing == "epoch"


def test_defaults_that_have_changed_are_the_earlier_ones_in_an_old_run_only() -> None:
    text = "name: c\nexplorable: {}\n"
    old, new = (begun_campaign(started, text).base_config().flat() for started in ({}, {"format": FORMAT}))
    assert {key: old[key] for key in EARLIER_DEFAULTS} == EARLIER_DEFAULTS
    assert all(new[key] != value for key, value in EARLIER_DEFAULTS.items())


def test_a_run_directory_says_itself_how_its_campaign_is_to_be_read(tmp_path: Path) -> None:
    for folder, started in (("old", {}), ("new", {"format": FORMAT})):
        root = tmp_path / folder
        root.mkdir()
        (root / "campaign.yaml").write_text("name: c\nexplorable: {}\n")
        with Journal(root / "journal.jsonl", lambda record: None) as journal:
            journal.append("campaign_started", 0, {"name": "c", "campaign": "x", "identity": "y", **started})
    assert load_campaign(tmp_path / "old" / "campaign.yaml").training.annealing == "continuous"
    assert load_campaign(tmp_path / "new" / "campaign.yaml").training.annealing == "epoch"


@pytest.mark.parametrize("format", [FORMAT + 1, "2", None])
def test_a_format_that_is_not_known_is_one_sentence(format: Any) -> None:
    with pytest.raises(RunError, match="newer than this nightfly"):
        begun_campaign({"format": format}, "name: c\nexplorable: {}\n")


@pytest.mark.parametrize("key", sorted(earlier_settings()))
def test_every_added_setting_is_written_and_read_back_with_either_value(key: str) -> None:
    default = SlotConfig().flat()[key]
    before = earlier_settings()[key]
    other: Scalar = 0.25 if isinstance(before, float) else before
    for value in {default, before, other}:
        config = SlotConfig().replaced({key: value})
        written = parse_yaml(config.yaml(), "c")
        again = validate(SlotConfig, written, "c")
        assert again == config
        assert again.hash() == config.hash()
        assert (key in flatten(written)) == (value != before)


def test_a_config_that_a_person_writes_takes_todays_defaults() -> None:
    config = validate(SlotConfig, {"training": {"n_epochs": 3}}, "c")
    assert config.training.annealing == "epoch"
    assert difference(SlotConfig(), config) == {"training.n_epochs": (2, 3)}


def test_the_difference_to_an_old_config_names_the_definitions() -> None:
    old = old_config()
    new = old.replaced({"training.annealing": "epoch"})
    assert difference(old, new) == {"training.annealing": ("continuous", "epoch")}
