"""The synthetic truth on a made-up wiring, and its stability on flyvis's own (in test_flyvis_bridge)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trainer.fly import truth
from trainer.fly.truth import SynthesisFailed, synthesise
from trainer.fly.wiring import Wiring, column_of, columns


@pytest.fixture(scope="module")
def wiring() -> Wiring:
    """Six types in each of the 7 columns of extent 1; type 0 sees the light and gets no input."""
    rng = np.random.default_rng(3)
    place = np.tile(columns(1), (6, 1))
    types = np.repeat(np.arange(6), 7).astype(np.int32)
    n = len(types)
    target, source = np.nonzero((rng.random((n, n)) < 0.3) & (types[:, None] > 0))
    sign = rng.choice([-1.0, 1.0], 36)[types[source] * 6 + types[target]]
    u, v = place.T.astype(np.int32)
    return Wiring(
        source=source.astype(np.int32),
        target=target.astype(np.int32),
        count=rng.integers(1, 40, len(source)).astype(float),
        sign=sign,
        du=u[target] - u[source],
        dv=v[target] - v[source],
        type_index=types,
        type_names=tuple("ABCDEF"),
        u=u,
        v=v,
        input_index=np.arange(7, dtype=np.int32),
        input_column=column_of(u[:7], v[:7], 1),
        extent=1,
    )


def test_equal_seeds_give_equal_parameters_and_others_do_not(wiring: Wiring) -> None:
    one, two, other = synthesise(wiring, 1, 0.02), synthesise(wiring, 1, 0.02), synthesise(wiring, 2, 0.02)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_signs_and_relative_counts_are_those_of_the_wiring(wiring: Wiring) -> None:
    weight, tau, v_rest = synthesise(wiring, 0, 0.02)
    assert np.array_equal(np.sign(weight), wiring.sign)
    for pair in np.unique(wiring.pair):
        here = wiring.pair == pair
        strength = np.abs(weight[here]) / wiring.count[here]
        assert strength == pytest.approx(np.full(here.sum(), strength[0]))
    for values in (tau, v_rest):
        assert all(len(set(values[wiring.type_index == kind])) == 1 for kind in range(6))


def test_tau_is_never_below_the_time_step_and_not_constant(wiring: Wiring) -> None:
    for seed in range(5):
        tau = synthesise(wiring, seed, 0.02)[1]
        assert tau.min() == 0.02
        assert truth.SLOW_TAU[0] <= tau.max() <= truth.SLOW_TAU[1]


def test_hopeless_wiring_is_one_sentence(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "_BLOWN_UP", 1e-9)
    with pytest.raises(SynthesisFailed, match=r"connectome\.seed 0: unbounded activity at extent 1"):
        synthesise(wiring, 0, 0.02)
    monkeypatch.undo()
    monkeypatch.setattr(truth, "MAX_DEAD", -1.0)
    with pytest.raises(SynthesisFailed, match="dead neurons"):
        synthesise(replace(wiring), 0, 0.02)
