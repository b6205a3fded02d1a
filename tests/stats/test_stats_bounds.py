"""Trimming bounds for the always-engaged."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from data.errors import BadInput, NotEnoughData
from stats.bounds import lee

COUNT = st.integers(0, 50)


def test_the_published_32b_stands_inside_wide_bounds() -> None:
    low, high = lee(1961, 2560, 407, 912, 2560, 7)
    assert (round(low, 4), round(high, 4)) == (-0.0077, 0.4386)
    assert low < 407 / 1961 - 7 / 912 < high


def test_equal_engagement_leaves_a_point() -> None:
    assert lee(80, 100, 40, 80, 100, 20) == (pytest.approx(0.25), pytest.approx(0.25))


@given(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT)
def test_bounds_are_ordered_hold_the_plain_difference_and_mirror(
    e1: int, r1: int, o1: int, e0: int, r0: int, o0: int
) -> None:
    """Counts as events, refused and other engaged trials of each arm."""
    assume(e1 + o1 > 0 and e0 + o0 > 0)
    one, zero = (e1 + o1, e1 + o1 + r1, e1), (e0 + o0, e0 + o0 + r0, e0)
    low, high = lee(*one, *zero)
    plain = e1 / (e1 + o1) - e0 / (e0 + o0)
    assert -1 <= low <= plain + 1e-12
    assert plain - 1e-12 <= high <= 1
    mirrored = lee(*zero, *one)
    assert mirrored == (pytest.approx(-high), pytest.approx(-low))


def test_impossible_counts_and_empty_arms_are_named() -> None:
    with pytest.raises(BadInput, match="injection arm: 9 events, 5 engaged"):
        lee(5, 10, 9, 5, 10, 1)
    with pytest.raises(NotEnoughData, match="control arm: nobody engaged"):
        lee(5, 10, 1, 0, 10, 0)
