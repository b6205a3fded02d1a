"""The exact common odds ratio agrees with scipy on one table, with R's example on five, and undoes known weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact
from scipy.stats.contingency import odds_ratio

from gnomon.calibration.numerics.common_odds_ratio import common_odds_ratio

TABLE = st.lists(st.integers(0, 12), min_size=4, max_size=4).map(lambda cells: np.array(cells).reshape(2, 2))


@settings(deadline=None, max_examples=40, derandomize=True)
@given(table=TABLE)
def test_one_table_is_fishers(table: np.ndarray) -> None:
    assume(table.sum(axis=0).all() and table.sum(axis=1).all())
    ratio, p_value = common_odds_ratio([table])
    theirs = odds_ratio(table)
    limits = theirs.confidence_interval()
    assert ratio is not None
    assert p_value == pytest.approx(fisher_exact(table).pvalue, rel=1e-6)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((theirs.statistic, limits.low, limits.high), rel=1e-5)


def test_five_tables_give_the_exact_p_of_agrestis_rabbits() -> None:
    """Penicillin and rabbits (Agresti 1990, p. 231); R documents p = .040 for its exact Mantel-Haenszel test."""
    cells = [0, 0, 6, 5, 3, 0, 3, 6, 6, 2, 0, 4, 5, 6, 1, 0, 2, 5, 0, 0]
    tables = np.array(cells).reshape(5, 2, 2).transpose(0, 2, 1)
    ratio, p_value = common_odds_ratio(list(tables))
    assert ratio is not None
    assert round(p_value, 3) == 0.040
    assert 1 < ratio.low < 7 < ratio.value < ratio.high, "the plain Mantel-Haenszel estimate is 7"


def test_tables_without_freedom_say_nothing_and_change_nothing() -> None:
    never = [[0, 0], [5, 20]]
    assert common_odds_ratio([never]) == (None, 1.0)
    (alone, p), (beside, same) = (common_odds_ratio([*extra, [[4, 2], [3, 9]]]) for extra in ([], [never]))
    assert alone is not None
    assert beside is not None
    assert (beside.value, beside.low, beside.high) == pytest.approx((alone.value, alone.low, alone.high))
    assert same == pytest.approx(p)


def test_as_many_joint_errors_as_can_be_leave_the_odds_ratio_open_above() -> None:
    ratio, _ = common_odds_ratio([[[4, 0], [0, 9]]])
    assert ratio is not None
    assert ratio.value == ratio.high == math.inf
    assert 1 < ratio.low < math.inf


def test_known_weights_of_cells_are_undone() -> None:
    """Agreeing units drawn one in ten: the odds ratio of the sample is a hundredth of the population's."""
    sample, weights = [[4, 40], [40, 8]], [[10, 1], [1, 10]]
    plain, undone = (common_odds_ratio([sample], weights=each)[0] for each in (None, [weights]))
    assert plain is not None
    assert undone is not None
    assert undone.value == pytest.approx(100 * plain.value, rel=1e-6)
    assert undone.high == pytest.approx(100 * plain.high, rel=1e-6)


def test_thousands_of_labels_keep_their_digits() -> None:
    ratio, p_value = common_odds_ratio([[[2000, 500], [600, 3000]]] * 2)
    assert ratio is not None
    assert ratio.value == pytest.approx(20, rel=0.01)
    assert 17 < ratio.low < ratio.high < 24
    assert p_value < 1e-300
