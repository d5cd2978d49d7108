"""The noise of an earlier run: pooled by degrees of freedom, left out where it differs, kept through the journal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucb.earlier_noise import noise_data, noise_of, with_earlier
from ucb.noise import Noise, Variance

OWN = Noise(Variance(4.0, 10), Variance(1.0, 5), Variance(), 0.8)


def test_each_part_is_weighted_by_its_degrees_of_freedom() -> None:
    found = with_earlier(OWN, Noise(Variance(2.0, 30), Variance(2.0, 5), Variance(3.0, 7), 1.0))
    assert found.seeds == Variance(pytest.approx(2.5), 40)
    assert found.training == Variance(pytest.approx(1.5), 10)
    assert found.crossed == Variance(3.0, 7)
    assert found.training_part == pytest.approx((0.8 * 10 + 1.0 * 30) / 40)


def test_a_part_that_visibly_differs_stays_the_nights_own() -> None:
    found = with_earlier(OWN, Noise(Variance(0.1, 60), Variance(1.0, 5)))
    assert (found.seeds, found.training_part) == (OWN.seeds, OWN.training_part)
    assert found.training.freedom == 10


def test_before_the_night_knows_anything_the_earlier_noise_stands_alone() -> None:
    earlier = Noise(Variance(2.0, 30), Variance(1.0, 4), Variance(0.5, 3), 0.9)
    assert with_earlier(Noise(), earlier) == earlier
    assert with_earlier(OWN, Noise()) == OWN


VARIANCES = st.builds(Variance, st.floats(1e-12, 1e6), st.integers(1, 10**6)) | st.just(Variance())


@given(st.builds(Noise, VARIANCES, VARIANCES, VARIANCES, st.floats(0.01, 1)))
def test_the_journal_gives_back_what_was_put_in(noise: Noise) -> None:
    assert noise_of(noise_data(noise)) == noise
