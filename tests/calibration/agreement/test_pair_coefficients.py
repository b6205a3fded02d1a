"""Coefficients of many pairs at once are those of each pair by itself, and rows may stand for several units."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gnomon.calibration.agreement.coefficients import cohen_kappa, gwet_ac1, krippendorff_alpha
from gnomon.calibration.agreement.pair_coefficients import pair_coefficients
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import IntervalEstimate

Q = 5


def tables() -> np.ndarray:
    random = np.random.default_rng(1)
    some = [random.multinomial(n, random.dirichlet(np.full(Q * Q, 0.3))).reshape(Q, Q) for n in (20, 21, 80, 3_000)]
    same, never, one = np.diag([9, 0, 14, 3, 0]), np.zeros((Q, Q)), np.zeros((Q, Q))
    never[0, 1], never[1, 0], one[2, 2] = 12, 15, 30
    half = np.zeros((Q, Q))
    half[0, 0], half[1, 0] = 11, 12
    return np.array([*some, same, never, one, half], dtype=float)


def ratings(table: np.ndarray) -> np.ndarray:
    return np.repeat(np.argwhere(np.ones((Q, Q))), table.ravel().astype(int), axis=0).astype(float)


def or_none(way: Callable[[], IntervalEstimate]) -> IntervalEstimate | None:
    try:
        return way()
    except NotEnoughDataError:
        return None


def test_pairs_at_once_have_the_coefficients_of_each_pair() -> None:
    every = tables()
    found = pair_coefficients(every)
    for place, table in enumerate(every):
        read = ratings(table)
        alone = (
            or_none(lambda table=table: cohen_kappa(table)),
            or_none(lambda read=read: gwet_ac1(read, categories=range(Q))),
            or_none(lambda read=read: krippendorff_alpha(read)),
        )
        for one, other in zip(alone, (found.cohen[place], found.ac1[place], found.alpha[place]), strict=True):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                assert other.method == one.method
                assert [other.value, other.low, other.high] == pytest.approx([one.value, one.low, one.high], rel=1e-9)
                assert other.se == pytest.approx(one.se, rel=1e-9, abs=1e-12, nan_ok=True)


def test_a_row_may_stand_for_several_units() -> None:
    random = np.random.default_rng(2)
    rows = np.where(random.random((30, 4)) < 0.2, np.nan, random.integers(0, 3, size=(30, 4)).astype(float))
    units = random.integers(1, 9, size=30)
    each = np.repeat(rows, units, axis=0)
    for one, other in (
        (gwet_ac1(rows, categories=range(Q), units=units), gwet_ac1(each, categories=range(Q))),
        (krippendorff_alpha(rows, units=units), krippendorff_alpha(each)),
    ):
        assert vars_of(one) == pytest.approx(vars_of(other), rel=1e-9)


def vars_of(estimate: IntervalEstimate) -> list[float]:
    return [estimate.value, estimate.low, estimate.high, estimate.se]
