"""Slot configs: refused with a reason, compared, changed and identified without their seeds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.config import SEED_KEYS, SlotConfig, difference
from state.errors import ConfigError
from state.schema import validate

BASE = SlotConfig()


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({"training": {"alternate_jont_ratio": 0.3}}, "did you mean alternate_joint_ratio"),
        ({"trainin": {}}, "did you mean training"),
        ({"training": {"n_epochs": "two"}}, "training.n_epochs is 'two'"),
        ({"training": {"alternate_joint_ratio": 1.5}}, "training.alternate_joint_ratio is 1.5"),
        ({"training": {"coeff_W_L1": float("nan")}}, "finite"),
        ({"graph_model": {"embedding_dim": 4}}, "must be 5 and 7"),
        ({"simulation": {"n_frames": 64_001}}, "multiple of n_sequences"),
        ({"training": 3}, "training is 3"),
    ],
)
def test_a_bad_config_is_one_sentence_naming_file_and_key(tree: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(SlotConfig, tree, "slot.yaml")
    assert says in str(caught.value)
    assert str(caught.value).startswith("slot.yaml: ")
    assert "\n" not in str(caught.value)


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1), st.text(max_size=5))
def test_identity_ignores_seeds_and_place_but_the_hash_does_not(sim: int, train: int, name: str) -> None:
    other = BASE.replaced({"simulation.seed": sim, "training.seed": train, "dataset": name})
    assert other.identity() == BASE.identity()
    assert difference(BASE, other) == {}
    assert (other.hash() == BASE.hash()) == (other == BASE)


@given(st.floats(0.01, 1), st.integers(1, 99), st.floats(0, 1e4))
def test_replaced_then_difference_gives_the_changes_back(ratio: float, epochs: int, coeff: float) -> None:
    changes = {
        "training.alternate_joint_ratio": ratio,
        "training.n_epochs": epochs,
        "training.coeff_g_phi_diff": coeff,
    }
    child = BASE.replaced(changes)
    flat = BASE.flat()
    assert difference(BASE, child) == {k: (flat[k], v) for k, v in changes.items() if flat[k] != v}


def test_embedding_dim_brings_the_coupled_sizes_with_it() -> None:
    child = BASE.replaced({"graph_model.embedding_dim": 5})
    assert (child.graph_model.input_size, child.graph_model.input_size_update) == (6, 8)
    assert list(difference(BASE, child)) == ["graph_model.embedding_dim"]


@pytest.mark.parametrize("key", ["nothing.here", "training.nothing", "description.x"])
def test_replaced_refuses_unknown_keys(key: str) -> None:
    with pytest.raises(ConfigError):
        BASE.replaced({key: 1})


def test_flat_names_both_seeds() -> None:
    assert set(SEED_KEYS) <= set(BASE.flat())
