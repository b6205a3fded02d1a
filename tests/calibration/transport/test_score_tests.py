"""Score tests of a difference of two proportions: published examples, exactness, symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import barnard_exact, binom

from gnomon.calibration.transport.score_tests import difference_p_value, is_exact, score_interval, score_statistic
from gnomon.data.errors import InputError, NotEnoughDataError


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0528, 0.3382),
        ((9, 10), (3, 10), 0.1700, 0.8406),
        ((5, 56), (0, 29), -0.0326, 0.1933),
    ],
)
def test_the_interval_is_that_of_newcombes_table(one, other, low, high):
    """Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 6 (Miettinen and Nurminen)."""
    interval = score_interval(one, other)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_the_exact_p_value_is_that_of_chans_example():
    """Chan (1998), Statistics in Medicine 17: 83 of 88 against 69 of 76 (Rodary 1989), margin .10: exact p .0017."""
    assert difference_p_value((83, 88), (69, 76), -0.1, "greater") == pytest.approx(0.0017, abs=5e-5)


@pytest.mark.parametrize(
    ("one", "other", "delta"), [((83, 88), (69, 76), -0.1), ((5, 56), (0, 29), 0.1), ((0, 9), (0, 4), 0.05)]
)
def test_the_restricted_estimate_has_the_greatest_likelihood(one, other, delta):
    (k1, n1), (k2, n2) = one, other
    grid = np.linspace(max(0, delta), min(1, 1 + delta), 20_001)
    likelihood = binom.logpmf(k1, n1, grid) + binom.logpmf(k2, n2, np.clip(grid - delta, 0, 1))
    p = grid[np.argmax(likelihood)]
    error = np.sqrt(p * (1 - p) / n1 + (p - delta) * (1 - p + delta) / n2)
    z = score_statistic(np.array(k1), n1, np.array(k2), n2, delta)
    assert float(z) == pytest.approx((k1 / n1 - k2 / n2 - delta) / error, rel=1e-3)


def test_for_no_difference_it_is_barnards_test():
    ours = difference_p_value((7, 10), (2, 12), 0.0, "greater")
    theirs = barnard_exact([[7, 2], [3, 10]], alternative="greater", n=256).pvalue
    assert ours == pytest.approx(theirs, abs=2e-4)


@given(st.integers(1, 12), st.integers(1, 12), st.floats(-0.6, 0.6), st.data())
def test_both_sides_are_mirror_images(n1, n2, delta, data):
    k1, k2 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    less = difference_p_value((k1, n1), (k2, n2), delta, "less")
    mirrored = difference_p_value((n1 - k1, n1), (n2 - k2, n2), -delta, "greater")
    assert less == pytest.approx(mirrored, abs=1e-3)


@pytest.mark.parametrize("p", [0.05, 0.3, 0.6, 0.85])
def test_the_size_is_at_most_nominal_whatever_the_nuisance(p):
    """Exact size at the boundary of the null hypothesis, over all pairs of counts."""
    n1, n2, delta = 12, 9, 0.1
    chance = 0.0
    for k1 in range(n1 + 1):
        for k2 in range(n2 + 1):
            if difference_p_value((k1, n1), (k2, n2), delta, "greater") <= 0.05:
                chance += binom.pmf(k1, n1, p + delta) * binom.pmf(k2, n2, p)
    assert 0 < chance <= 0.05


def test_weighted_counts_take_the_asymptotic_test():
    assert is_exact((3, 5), (4, 9))
    assert not is_exact((3.2, 5), (4, 9))
    assert difference_p_value((30.2, 50.1), (20, 50), 0.0, "greater") == pytest.approx(0.02, abs=0.005)


def test_an_empty_sample_and_an_impossible_difference_are_refused():
    with pytest.raises(NotEnoughDataError, match="no trial to count"):
        difference_p_value((0, 0), (1, 2), 0.1, "greater")
    with pytest.raises(InputError, match="difference 1"):
        difference_p_value((1, 2), (1, 2), 1.0, "greater")
