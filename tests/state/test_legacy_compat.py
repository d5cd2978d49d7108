"""What the predecessor's program did other than its configs say: told, and done likewise on request."""

from __future__ import annotations

from typing import Any

import pytest

from state.config import SlotConfig
from state.errors import ConfigError
from state.legacy import translate
from state.schema import validate
from tests.state.test_legacy import FIRST, SECOND, old


def load(training: dict[str, Any], **top: Any) -> tuple[SlotConfig, list[str]]:
    tree = old(SECOND | training, g_phi_positive=True) | top
    result = translate(tree, "old.yaml")
    return validate(SlotConfig, result.tree, "old.yaml"), result.notes


def about(notes: list[str], words: str) -> list[str]:
    return [note for note in notes if words in note]


def test_one_epoch_of_annealed_penalties_is_told_to_be_none() -> None:
    (note,) = about(load({"n_epochs": 1})[1], "exactly 0")
    assert "coeff_W_L1, coeff_W_L2, coeff_g_phi_weight_L1" in note
    assert note.endswith("here as in the predecessor")
    assert about(load({"n_epochs": 2})[1], "exactly 0") == []
    assert about(load({"n_epochs": 1, "regul_annealing_rate": 0})[1], "exactly 0") == []
    (other,) = about(load({"n_epochs": 1, "annealing": "continuous"})[1], "exactly 0")
    assert "act from the start" in other


def test_what_the_section_claude_overrides_is_told_or_done() -> None:
    claude = {"n_epochs": 1, "data_augmentation_loop": 30}
    config, notes = load({"n_epochs": 1, "data_augmentation_loop": 20}, claude=claude)
    assert config.training.data_augmentation_loop == 20
    (note,) = about(notes, "was written over")
    assert "claude.data_augmentation_loop 30" in note
    assert "training.data_augmentation_loop 20" in note
    config, notes = load({"data_augmentation_loop": 20}, claude=claude, compat="predecessor")
    assert (config.training.n_epochs, config.training.data_augmentation_loop) == (1, 30)
    assert about(notes, "was written over") == []
    assert len(about(notes, "compat: training.")) == 2


def test_alternation_is_told_and_one_epoch_of_it_is_standard_training() -> None:
    training = {"n_epochs": 1, "alternate_training": True, "alternate_lr_ratio": 0.05}
    claude: dict[str, Any] = {"claude": {}}
    config, notes = load(training, **claude)
    assert config.training.alternate_training is True
    assert "compat" in about(notes, "alternate_joint_ratio")[0]
    config, notes = load(training, compat="predecessor", **claude)
    assert config.training.alternate_training is False
    assert about(notes, "alternate_joint_ratio") == []
    config, notes = load(training | {"n_epochs": 2}, compat="predecessor", **claude)
    assert config.training.alternate_training is True
    assert "compat" not in about(notes, "alternate_joint_ratio")[0]


def test_in_a_campaign_the_section_claude_is_nightflys_own() -> None:
    tree = old(FIRST) | {"compat": "predecessor", "claude": {"n_epochs": 7}}
    result = translate(tree, "c.yaml", keep=("claude",))
    assert result.tree["training"]["n_epochs"] == 3
    assert about(result.notes, "claude.n_epochs") == []


@pytest.mark.parametrize("value", ["Predecessor", "", True, ["predecessor"]])
def test_another_word_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"compat is .*; give predecessor, or leave it out"):
        load({}, compat=value)
