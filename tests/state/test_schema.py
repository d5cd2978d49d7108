"""A validation failure as one clear sentence of bounded length."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field, model_validator

from state.errors import ConfigError
from state.schema import Section, known_keys, misspelt, nearest, validate


class Leaf(Section):
    width: int = Field(1, ge=0)
    depth: float = 0.5


class Tree(Section):
    leaf: Leaf = Leaf()
    named: dict[str, Leaf] = Field(default_factory=dict)
    listed: list[Leaf] = Field(default_factory=list)

    @model_validator(mode="after")
    def _narrow(self) -> Tree:
        if self.leaf.width > 100:
            raise ValueError("Wider than the page")
        return self


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"leaf": {"widht": 2}}, "t.yaml: leaf.widht is not a known key; did you mean width?"),
        ({"named": {"a.b": {"dept": 2}}}, "t.yaml: named.a.b.dept is not a known key; did you mean depth?"),
        ({"listed": [{}, {"zzz": 2}]}, "t.yaml: listed.1.zzz is not a known key; known here: depth, width"),
        ({"leef": {}}, "t.yaml: leef is not a known key; did you mean leaf?"),
        ({"leaf": {"width": -1}}, "t.yaml: leaf.width is -1; input should be greater than or equal to 0"),
        ({"leaf": {"depth": float("inf")}}, "t.yaml: leaf.depth is inf; input should be a finite number"),
        ({"leaf": {"width": 101}}, "t.yaml: wider than the page"),
        ({"leaf": {"width": "a", "depth": "b"}}, "(and 1 more fault)"),
        ({"leaf": {"width": "a", "depth": "b"}, "x": 1}, "(and 2 more faults)"),
        (7, "t.yaml: input should be"),
    ],
)
def test_the_first_fault_is_told_and_the_others_are_counted(value: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(Tree, value, "t.yaml")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [{"leaf": "x" * 10**6}, {"k" * 10**6: 1}, {"leaf": {"width": [0] * 10**5}}])
def test_a_sentence_stays_short_whatever_was_found(value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(Tree, value, "t.yaml")
    assert len(str(caught.value)) < 400


def test_a_missing_key_is_named() -> None:
    class Needy(Section):
        name: str

    with pytest.raises(ConfigError, match=r"t\.yaml: name is missing; add it"):
        validate(Needy, {}, "t.yaml")


def test_sections_are_frozen_and_checked_through_and_through() -> None:
    tree = validate(Tree, {"leaf": {"width": 3}}, "t")
    with pytest.raises(ValueError, match="frozen"):
        tree.leaf = Leaf()  # type: ignore[misc]
    assert known_keys(Tree, ["leaf"]) == ["width", "depth"]
    assert known_keys(Tree, ["nowhere"]) == ["leaf", "named", "listed"]
    assert nearest("", ["b", "a"]) == "known here: a, b"


KEYS = ["hidden_dim", "n_epochs", "noise_model_level", "coeff_W_L1", "coeff_g_phi_weight_L1", "learning_rate_start"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("hiden_dim", "hidden_dim"),
        ("hidden_dims", "hidden_dim"),
        ("n_epoch", "n_epochs"),
        ("nepochs", "n_epochs"),
        ("noise_level", "noise_model_level"),
        ("learning_rate", "learning_rate_start"),
        ("coeff_tau_L1", None),
        ("coeff_W_L2", None),
        ("coeff_phi_weight_L1", None),
        ("learning_rate_V_start", None),
        ("train_start", None),
    ],
)
def test_advice_never_crosses_meaning(given: str, meant: str | None) -> None:
    assert misspelt(given, KEYS) == meant
