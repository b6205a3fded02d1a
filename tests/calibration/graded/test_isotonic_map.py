"""Isotonic maps: a published example, the same fit as scikit-learn's, and no label calibrates its own trial."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from gnomon.calibration.graded.isotonic_map import cross_fitted_scores, fit_isotonic, fold_masks
from gnomon.data.errors import InputError, NotEnoughDataError

AGES = np.repeat([8.0, 10.0, 12.0, 14.0], [3, 3, 3, 2])
FISSURES = np.array([21, 23.5, 23, 24, 21, 25, 21.5, 22, 19, 23.5, 25])


def test_pituitary_fissures_of_girls_have_the_published_isotonic_means() -> None:
    """Robertson, Wright and Dykstra (1988), ch. 1: data of Potthoff and Roy (1964); 22.22 to age 12, then 24.25."""
    learnt = fit_isotonic(AGES, FISSURES)
    assert learnt.values == pytest.approx([200 / 9, 200 / 9, 200 / 9, 24.25])
    assert learnt.values.round(2).tolist() == [22.22, 22.22, 22.22, 24.25]


@pytest.mark.parametrize("seed", range(5))
def test_fit_is_that_of_scikit_learn_with_weights_and_ties(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, 12, 80) / 10
    labels = (random.random(80) < scores).astype(float)
    weights = random.uniform(0.2, 4, 80)
    other = IsotonicRegression(out_of_bounds="clip").fit(scores, labels, sample_weight=weights)
    asked = np.linspace(-0.5, 2, 60)
    assert fit_isotonic(scores, labels, weights).calibrate(asked) == pytest.approx(other.predict(asked), abs=1e-9)


def test_map_keeps_the_mean_label() -> None:
    random = np.random.default_rng(3)
    scores, labels, weights = random.random(50), random.random(50), random.uniform(1, 3, 50)
    calibrated = fit_isotonic(scores, labels, weights).calibrate(scores)
    assert np.average(calibrated, weights=weights) == pytest.approx(np.average(labels, weights=weights))


def test_no_label_takes_part_in_calibrating_its_own_trial() -> None:
    """Each label in turn is changed: its own calibrated score stays, some other trial's moves."""
    random = np.random.default_rng(4)
    scores = random.random(40)
    labels = (random.random(40) < scores).astype(float)
    before = cross_fitted_scores(scores, labels, scores).labelled
    for place in range(40):
        changed = labels.copy()
        changed[place] = 1 - changed[place]
        after = cross_fitted_scores(scores, changed, scores).labelled
        assert after[place] == before[place]
        assert not np.allclose(after, before)


def test_folds_share_the_range_of_scores() -> None:
    masks = list(fold_masks(np.linspace(0, 1, 47), 10))
    assert sum(mask.sum() for mask in masks) == 47
    assert all(mask.sum() in (4, 5) for mask in masks)
    assert all(np.ptp(np.flatnonzero(mask)) >= 30 for mask in masks)


def test_what_cannot_be_calibrated_is_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="no labelled trial has a score"):
        fit_isotonic([], [])
    with pytest.raises(InputError, match="3 scores and 2 labels"):
        fit_isotonic([0.1, 0.2, 0.3], [0, 1])
    with pytest.raises(InputError, match="missing or infinite"):
        fit_isotonic([0.1, np.nan], [0, 1])
    with pytest.raises(NotEnoughDataError, match="two are the least"):
        cross_fitted_scores([0.1], [1], [0.1, 0.2])
