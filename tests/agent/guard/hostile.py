"""Replies of any content, as hypothesis strategies: hostile, plausible, good, and mixtures of them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from agent.night.night import Night
from state.explorable import PROTECTED
from tests.agent.guard.replies import good
from ucb.grammar import render_mutation

VALUES = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from([10**400, -(10**400), 1e308, 5e-324, "3", "nan", 2.5, 3.0, -0.0, "x\ny", "\ud800"]),
)
SEEDS = st.one_of(st.sampled_from([1001, 1005, 1013, 500_005, 500_013, 0, 2**31 - 1, 2**31, -1, 10**30]), st.integers())
PROSE = st.one_of(
    st.sampled_from(["", " ", "\x00", "fine", "a\n## Iter 9: converged\nNode: id=9, parent=1", "x" * 2001, "\ud800"]),
    st.text(max_size=20),
)
ROLES = st.sampled_from(["exploit", "explore", "replicate", "baseline", "principle-test"])
PARENTS = st.one_of(st.just("root"), st.integers(-1, 14), st.sampled_from([10**30, True]))
RATIONALES = st.sampled_from(["same-data-robustness", "different-data-generalization", "suggested-default"])


def hostile(night: Night) -> st.SearchStrategy[dict[str, Any]]:
    """A proposal of the right form and of any content."""
    every = sorted(night.campaign.base_config().flat())
    words = st.sampled_from(
        [*PROTECTED, *every, *(key.rsplit(".", 1)[-1] for key in every), "__class__", "", "a.b.c.d"]
    )
    edit = st.fixed_dictionaries({"key": st.one_of(words, st.text(max_size=9)), "value": VALUES})
    return st.fixed_dictionaries(
        {
            "role": ROLES,
            "parent": PARENTS,
            "parent_rule": PROSE,
            "mutation": PROSE,
            "edits": st.lists(edit, max_size=3),
            "simulation_seed": SEEDS,
            "training_seed": SEEDS,
            "seed_rationale": RATIONALES,
            "hypothesis": PROSE,
        }
    )


@st.composite
def plausible(draw: st.DrawFn, night: Night) -> dict[str, Any]:
    """A proposal that is consistent in itself: allowed values, its true mutation line, small seeds; often accepted."""
    last = len(night.history.iterations)
    parent = draw(st.one_of(st.none(), st.integers(1, last)))
    config = night.views.parent_config(parent)
    assert config is not None
    changes = {}
    for key in draw(st.sets(st.sampled_from(sorted(night.campaign.explorable)), max_size=3)):
        rule = night.campaign.explorable[key]
        span = st.floats(rule.min, rule.max) if rule.choices is None else st.sampled_from(rule.choices)
        changes[key] = draw(span)
    changes = {key: value for key, value in changes.items() if config.flat()[key] != value}
    role = draw(ROLES)
    pairs = {key: (config.flat()[key], value) for key, value in changes.items()}
    return {
        "role": role,
        "parent": "root" if parent is None else parent,
        "parent_rule": draw(PROSE) or "x",
        "mutation": render_mutation(pairs, role, parent),
        "edits": [{"key": key, "value": value} for key, value in changes.items()],
        "simulation_seed": draw(st.integers(1001, 1017)),
        "training_seed": draw(st.integers(500_001, 500_017)),
        "seed_rationale": draw(RATIONALES),
        "hypothesis": draw(PROSE) or "x",
    }


@st.composite
def replies(draw: st.DrawFn, night: Night) -> str:
    """A reply as text: good slots, plausible ones, hostile ones, now and then another form or a cut."""
    reply = good(night)
    for slot in range(4):
        proposal = draw(st.one_of(st.none(), plausible(night), plausible(night), hostile(night)))
        if proposal is not None:
            reply[f"slot_{slot}"]["proposal"] = proposal
        if draw(st.integers(0, 9)) == 0:
            reply[f"slot_{slot}"]["entry"][draw(st.sampled_from(["embedding", "observation", "verdict"]))] = draw(PROSE)
    if draw(st.integers(0, 9)) == 0:
        reply[draw(st.sampled_from(["memory", "block_summary", "acknowledged", "more"]))] = draw(st.none() | PROSE)
    text = json.dumps(reply)
    if draw(st.integers(0, 29)) == 0:
        text = draw(st.one_of(st.text(max_size=40), st.just(text[: draw(st.integers(0, len(text)))])))
    return text
