"""Trimming bounds for the always-engaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.stats.bounds.selection_bounds import ArmCounts, bounds_with_interval, lee_bounds, worst_case_bounds

COUNT = st.integers(0, 50)


def test_the_published_32b_stands_inside_wide_bounds() -> None:
    low, high = lee_bounds(ArmCounts(1961, 2560, 407), ArmCounts(912, 2560, 7))
    assert (round(low, 4), round(high, 4)) == (-0.0077, 0.4386)
    assert low < 407 / 1961 - 7 / 912 < high


def test_equal_engagement_leaves_a_point() -> None:
    assert lee_bounds(ArmCounts(80, 100, 40), ArmCounts(80, 100, 20)) == (pytest.approx(0.25), pytest.approx(0.25))


@given(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT)
def test_bounds_are_ordered_hold_the_plain_difference_and_mirror(
    e1: int, r1: int, o1: int, e0: int, r0: int, o0: int
) -> None:
    """Counts as events, refused and other engaged trials of each arm."""
    assume(e1 + o1 > 0 and e0 + o0 > 0)
    one, zero = ArmCounts(e1 + o1, e1 + o1 + r1, e1), ArmCounts(e0 + o0, e0 + o0 + r0, e0)
    low, high = lee_bounds(one, zero)
    plain = e1 / (e1 + o1) - e0 / (e0 + o0)
    assert -1 <= low <= plain + 1e-12
    assert plain - 1e-12 <= high <= 1
    mirrored = lee_bounds(zero, one)
    assert mirrored == (pytest.approx(-high), pytest.approx(-low))


def test_impossible_counts_and_empty_arms_are_named() -> None:
    with pytest.raises(InputError, match="9 events, 5 engaged, 10 trials: each must be at most the next"):
        lee_bounds(ArmCounts(5, 10, 9), ArmCounts(5, 10, 1))
    with pytest.raises(NotEnoughDataError, match="control arm: nobody engaged"):
        lee_bounds(ArmCounts(5, 10, 1), ArmCounts(0, 10, 0))


def test_the_published_32b_with_sampling_error_and_without_monotonicity() -> None:
    counts = (ArmCounts(1961, 2560, 407), ArmCounts(912, 2560, 7))
    assert [round(each, 3) for each in worst_case_bounds(*counts)] == [-0.022, 1.0]
    whole = bounds_with_interval(*counts, cover="set")
    assert (whole.interval_low, whole.interval_high) == pytest.approx((-0.015, 0.486), abs=1.5e-3)
    effect = bounds_with_interval(*counts)
    assert whole.interval_low < effect.interval_low < effect.low == pytest.approx(lee_bounds(*counts)[0])
    assert effect.high < effect.interval_high < whole.interval_high


@given(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT)
def test_the_worst_case_holds_lees_bounds(e1: int, r1: int, o1: int, e0: int, r0: int, o0: int) -> None:
    assume(e1 + o1 > 0 and e0 + o0 > 0)
    counts = (ArmCounts(e1 + o1, e1 + o1 + r1, e1), ArmCounts(e0 + o0, e0 + o0 + r0, e0))
    narrow, wide = lee_bounds(*counts), worst_case_bounds(*counts)
    assert wide[0] <= narrow[0] + 1e-9
    assert narrow[1] <= wide[1] + 1e-9


def test_where_everybody_engages_the_interval_is_an_ordinary_one() -> None:
    found = bounds_with_interval(ArmCounts(400, 400, 160), ArmCounts(400, 400, 100))
    assert (found.low, found.high) == pytest.approx((0.15, 0.15))
    assert (found.interval_low, found.interval_high) == pytest.approx((0.085, 0.213), abs=0.01)


@pytest.mark.parametrize("side", ["low", "high"])
def test_the_interval_holds_an_effect_at_the_edge_of_its_bounds(side: str) -> None:
    """Half of the trials always engage, a quarter only with injection; those few have all events or none."""
    random, held, studies, n = np.random.default_rng(3), 0, 300, 600
    few = 0.0 if side == "high" else 1.0
    for study in range(studies):
        kinds = random.multinomial(n, [0.5, 0.25, 0.25])
        events1 = random.binomial(kinds[0], 0.4) + random.binomial(kinds[1], few)
        engaged0 = random.binomial(n, 0.5)
        one = ArmCounts(int(kinds[0] + kinds[1]), n, int(events1))
        zero = ArmCounts(int(engaged0), n, int(random.binomial(engaged0, 0.1)))
        found = bounds_with_interval(one, zero, seed=study)
        held += found.interval_low <= 0.3 <= found.interval_high
    assert 0.92 <= held / studies <= 0.99
