"""Agreement coefficients give the published values, and behave as coefficients must."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gnomon.calibration.agreement.coefficients import (
    brennan_prediger,
    cohen_kappa,
    conger_kappa,
    fleiss_kappa,
    gwet_ac1,
    gwet_ac2,
    krippendorff_alpha,
)
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import IntervalEstimate


def units(*raters: str) -> np.ndarray:
    """Units x raters from one string a rater, `*` where it did not rate."""
    return np.array([[np.nan if mark == "*" else float(mark) for mark in rater] for rater in raters]).T


FOUR = units("123321412***", "1233224125**", "*33323422513", "12332441251*")
KRIPPENDORFF = units("123321412***", "1233224125*3", "*3332342251*", "12332441251*")
FLEISS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)


def counts(ratings: np.ndarray) -> np.ndarray:
    return np.stack([(ratings == code).sum(axis=1) for code in np.unique(ratings[~np.isnan(ratings)])], axis=1)


def test_cohen_agrees_with_sas() -> None:
    kappa = cohen_kappa([[0, 4, 1], [0, 8, 0], [0, 1, 5]])
    assert (round(kappa.value, 4), round(kappa.se, 4)) == (0.4842, 0.1380)
    assert (round(kappa.low, 4), round(kappa.high, 4)) == (0.2137, 0.7547)


def test_cohen_with_students_t_agrees_with_irrcac() -> None:
    kappa = cohen_kappa([[13, 0, 0], [0, 20, 7], [0, 4, 56]], quantile="t")
    assert kappa.value == pytest.approx(0.796409, abs=1e-6)
    assert (kappa.low, kappa.high) == pytest.approx((0.679518, 0.913301), abs=1e-6)


def test_fleiss_agrees_with_the_textbook_and_with_missing_ratings() -> None:
    assert fleiss_kappa(FLEISS).value == pytest.approx(0.209931, abs=1e-6)
    assert fleiss_kappa(counts(FOUR)).value == pytest.approx(0.761169, abs=1e-6)


def test_gwet_agrees_with_irrcac() -> None:
    ac1 = gwet_ac1(FOUR)
    assert (ac1.value, ac1.se, ac1.low) == pytest.approx((0.775444, 0.142950, 0.460813), abs=1e-6)


def test_ac2_without_partial_credit_is_ac1() -> None:
    whole, partial = gwet_ac1(FOUR), gwet_ac2(FOUR, np.eye(5))
    assert (partial.value, partial.low, partial.se) == pytest.approx((whole.value, whole.low, whole.se))


@pytest.mark.parametrize("weights", ["linear", "quadratic", "ordinal"])
def test_partial_credit_raises_agreement_on_near_misses(weights: str) -> None:
    assert gwet_ac2(FOUR, weights).value > gwet_ac1(FOUR).value


def test_other_coefficients_on_the_same_ratings_agree_with_irrcac() -> None:
    assert conger_kappa(FOUR).value == pytest.approx(0.762817, abs=1e-6)
    assert brennan_prediger(FOUR).value == pytest.approx(0.772727, abs=1e-6)
    alpha = krippendorff_alpha(FOUR)
    assert (alpha.value, alpha.se) == pytest.approx((0.743421, 0.145574), abs=1e-6)


@pytest.mark.parametrize(
    ("level", "value"), [("nominal", 0.743421), ("ordinal", 0.815388), ("interval", 0.849107), ("ratio", 0.797403)]
)
def test_alpha_agrees_with_krippendorff_at_every_level(level: str, value: float) -> None:
    assert krippendorff_alpha(KRIPPENDORFF, level).value == pytest.approx(value, abs=1e-6)


Coefficient = Callable[[np.ndarray], IntervalEstimate]
ALL: dict[str, Coefficient] = {
    "alpha": krippendorff_alpha,
    "ac1": gwet_ac1,
    "brennan": brennan_prediger,
    "fleiss": lambda ratings: fleiss_kappa(counts(ratings)),
    "conger": conger_kappa,
}
RATINGS = arrays(float, st.tuples(st.integers(4, 12), st.integers(2, 4)), elements=st.sampled_from([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("name", ALL)
@settings(deadline=None, max_examples=25, derandomize=True)
@given(ratings=RATINGS)
def test_intervals_hold_their_point_and_names_of_categories_and_raters_do_not_matter(
    name: str, ratings: np.ndarray
) -> None:
    if len(np.unique(ratings)) < 2:
        with pytest.raises(NotEnoughDataError):
            ALL[name](ratings)
        return
    first = ALL[name](ratings)
    assert -1 <= first.low <= first.value <= first.high <= 1
    renamed = np.select([ratings == 1, ratings == 2], [3.0, 1.0], 2.0)
    for other in (renamed, ratings[:, ::-1], ratings[::-1]):
        again = ALL[name](other)
        assert (again.value, again.low, again.se) == pytest.approx((first.value, first.low, first.se), abs=1e-9)


def test_perfect_agreement_is_one_and_a_unit_that_nobody_rated_changes_nothing() -> None:
    same = units("1212", "1212")
    for coefficient in ALL.values():
        assert coefficient(same).value == pytest.approx(1)
        padded = np.vstack([FOUR, np.full((1, 4), np.nan)])
        assert coefficient(padded).se == pytest.approx(coefficient(FOUR).se)


def test_agreement_that_cannot_be_known_is_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="every rating is the same"):
        cohen_kappa([[5, 0], [0, 0]])
    with pytest.raises(NotEnoughDataError, match="no unit has two ratings"):
        krippendorff_alpha(units("12**", "**21"))
    with pytest.raises(NotEnoughDataError, match="no unit is rated"):
        cohen_kappa([[0, 0], [0, 0]])


@pytest.mark.parametrize("name", ["alpha", "ac1", "brennan", "conger"])
@pytest.mark.parametrize("ratings", [np.full((5, 2), np.nan), np.empty((0, 2))], ids=["nothing rated", "no unit"])
def test_no_rating_at_all_is_too_little_data_for_every_coefficient(name: str, ratings: np.ndarray) -> None:
    with pytest.raises(NotEnoughDataError, match="no unit is rated"):
        ALL[name](ratings)
    with pytest.raises(NotEnoughDataError, match="no unit is rated"):
        fleiss_kappa(np.zeros((3, 2)))


def test_perfect_agreement_of_few_units_is_not_certain() -> None:
    """Jeffreys' lower limit of n of n is the 2.5 % point of beta(n + 1/2, 1/2): .883 for 20, .951 for 50."""
    for n, share in ((20, 0.8834), (50, 0.9513)):
        same = np.tile([[1.0, 1.0], [2.0, 2.0]], (n // 2, 1))
        chance = {"alpha": 0.5, "ac1": 0.5, "brennan": 0.5, "fleiss": 0.5, "conger": 0.5}
        for name, expected in chance.items():
            found = ALL[name](same)
            assert found.low == pytest.approx((share - expected) / (1 - expected), abs=2e-4), name
            assert found.high == 1
        table = [[n / 2, 0], [0, n / 2]]
        assert cohen_kappa(table).low == pytest.approx(2 * share - 1, abs=2e-4)


@pytest.mark.parametrize("name", ["alpha", "ac1", "conger"])
def test_one_disagreement_never_narrows_the_interval(name: str) -> None:
    for n in (20, 40, 100):
        same = np.tile([[1.0, 1.0], [2.0, 2.0]], (n // 2, 1))
        other = same.copy()
        other[0, 1] = 2.0
        assert ALL[name](other).low < ALL[name](same).low


def test_wrong_shapes_and_names_are_told() -> None:
    with pytest.raises(InputError, match="same categories"):
        cohen_kappa([[1, 2, 3], [1, 2, 3]])
    with pytest.raises(InputError, match="level 'odd'"):
        krippendorff_alpha(FOUR, "odd")
    with pytest.raises(InputError, match="weights 'odd'"):
        gwet_ac2(FOUR, "odd")
    with pytest.raises(InputError, match="rating 5 is not among"):
        gwet_ac1(FOUR, categories=[1, 2, 3, 4])


def test_a_larger_scale_of_possible_categories_lowers_chance() -> None:
    two = units("1121212", "1121211")
    assert gwet_ac1(two, categories=[1, 2, 3, 4, 5]).value > gwet_ac1(two).value


@pytest.mark.parametrize("table", [[[5, 5], [0, 0]], [[5, 0], [5, 0]]], ids=["first", "second"])
def test_a_rater_of_one_word_has_no_kappa_and_no_warning(table) -> None:
    with pytest.raises(NotEnoughDataError, match="one category only"):
        cohen_kappa(table)
