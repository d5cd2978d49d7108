"""dump_yaml against PyYAML itself: same text for configs, same value back for anything."""

from __future__ import annotations

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from state.config import SlotConfig
from state.files import dump_yaml

# The pure Python emitter that libyaml's is compared with folds some control characters wrongly.
TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters="\ufeff"))
SCALARS = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT, st.none())
TREES = st.dictionaries(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,12}", fullmatch=True),
    st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", min_size=1), inner)),
)


def plain(value: object) -> str:
    return yaml.dump(value, sort_keys=False, allow_unicode=True, default_flow_style=False, width=110)


def test_a_config_is_written_as_pyyaml_writes_it() -> None:
    tree = SlotConfig().replaced({"training.coeff_W_L1": 1e-5, "training.coeff_g_phi_diff": 0.0}).model_dump()
    assert dump_yaml(tree) == plain(tree)
    assert dump_yaml({}) == plain({})


def test_true_and_1_and_1_0_are_kept_apart() -> None:
    assert dump_yaml({"a": True, "b": 1, "c": 1.0}) == "a: true\nb: 1\nc: 1.0\n"
    assert dump_yaml({"a": 0.0, "b": -0.0}) == "a: 0.0\nb: -0.0\n"


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_what_is_written_is_read_back(tree: dict[str, object]) -> None:
    assert yaml.safe_load(dump_yaml(tree)) == yaml.safe_load(plain(tree)) == tree
