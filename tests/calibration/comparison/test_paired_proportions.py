"""Paired proportions: published examples, and properties that any difference of paired shares has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.calibration.comparison.paired_proportions import (
    PairedCounts,
    mcnemar_test,
    newcombe_paired,
    tango_interval,
)
from gnomon.data.errors import InputError, NotEnoughDataError

AIRWAY = PairedCounts(both=1, only_a=1, only_b=7, neither=12)
"""Airway hyper-responsiveness before and after transplantation (Bentur et al. 2009)."""
SPUTUM = PairedCounts(both=20, only_a=12, only_b=2, neither=16)
"""Two culture media for tubercle bacilli (Armitage and Berry 1994)."""
APPROVAL = PairedCounts(both=794, only_a=150, only_b=86, neither=570)
"""Approval of a prime minister in two surveys of the same voters (Agresti, Categorical Data Analysis)."""
CELLS = st.integers(min_value=0, max_value=40)


def limits(estimate):
    return round(estimate.low, 3), round(estimate.high, 3)


def test_intervals_of_bentur_are_those_of_fagerland_lydersen_and_laake():
    assert limits(newcombe_paired(AIRWAY)) == (0.026, 0.507)
    assert limits(tango_interval(AIRWAY)) == (0.026, 0.517)


def test_newcombes_interval_of_armitage_and_berry_is_the_published_one():
    found = newcombe_paired(SPUTUM)
    assert found.value == pytest.approx(-0.2)
    assert (found.low, found.high) == pytest.approx((-0.329207, -0.056156), abs=5e-7)


def test_mcnemar_gives_the_published_p_values():
    assert mcnemar_test(12, 2).exact == pytest.approx(0.0129, abs=5e-5)
    found = mcnemar_test(1, 7)
    assert (found.exact, found.mid) == pytest.approx((0.0703, 0.0391), abs=5e-5)
    assert mcnemar_test(28, 35).exact == pytest.approx(0.450, abs=5e-4)


def test_approval_of_the_prime_minister_fell_as_in_agresti():
    for method in (newcombe_paired, tango_interval):
        found = method(APPROVAL)
        assert found.value == pytest.approx(-0.04)
        assert (round(found.low, 2), round(found.high, 2)) == (-0.06, -0.02)
    assert mcnemar_test(150, 86).exact < 0.001


@given(CELLS, CELLS, CELLS, CELLS)
def test_exchanging_the_methods_changes_the_sign_only(both, only_a, only_b, neither):
    if both + only_a + only_b + neither:
        for method in (newcombe_paired, tango_interval):
            one = method(PairedCounts(both, only_a, only_b, neither))
            other = method(PairedCounts(both, only_b, only_a, neither))
            assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-8)
            assert one.low <= one.value <= one.high
        assert mcnemar_test(only_a, only_b).exact == pytest.approx(mcnemar_test(only_b, only_a).exact)


@given(CELLS, CELLS)
def test_mid_p_lies_below_the_exact_p_value(only_a, only_b):
    found = mcnemar_test(only_a, only_b)
    assert 0 <= found.mid <= found.exact <= 1


def test_no_difference_seen_is_no_certainty_that_there_is_none():
    found = tango_interval(PairedCounts(20, 0, 0, 5))
    assert found.low == pytest.approx(-found.high)
    assert found.high == pytest.approx(1.96**2 / (25 + 1.96**2), abs=1e-3)


def test_weights_of_the_discordant_cells_tilt_the_test():
    """Ten and five were drawn, each of the ten for one and each of the five for two: equally many in the population."""
    assert mcnemar_test(10, 5, weights=(1.0, 2.0)).exact == pytest.approx(1.0)
    assert mcnemar_test(10, 5).exact == pytest.approx(0.3018, abs=1e-4)


def test_counts_that_are_none_are_refused():
    with pytest.raises(NotEnoughDataError):
        PairedCounts(0, 0, 0, 0)
    with pytest.raises(InputError):
        PairedCounts(1, -1, 0, 0)
    with pytest.raises(InputError):
        mcnemar_test(-1, 0)
