"""Calibration curves: bins with exact limits, a band that holds everywhere at once, equal scores never parted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from gnomon.calibration.graded.calibration_curve import binned_shares, monotone_band, neighbour_groups


def test_clopper_and_pearsons_limits_stand_in_every_bin() -> None:
    """Clopper and Pearson (1934) by beta quantiles: 3 of 10 is .067 to .652."""
    bins = binned_shares(np.repeat([0.2, 0.8], 10), np.r_[[1] * 3, [0] * 7, [1] * 9, [0]], bins=2)
    assert [(each.start, each.end, each.labelled, each.share.value) for each in bins] == [
        (0.2, 0.2, 10, 0.3),
        (0.8, 0.8, 10, 0.9),
    ]
    assert (bins[0].share.low, bins[0].share.high) == pytest.approx((0.0667, 0.6525), abs=5e-5)


def test_equal_scores_are_never_parted_and_bins_hold_five() -> None:
    scores = np.repeat([0.1, 0.2, 0.3, 0.85, 0.9, 1.0], [2, 1, 3, 60, 2, 4])
    group = neighbour_groups(scores, 8, 5)
    assert all(len(np.unique(group[scores == value])) == 1 for value in np.unique(scores))
    assert min(np.bincount(group)) >= 5
    assert (np.diff(group) >= 0).all()


def test_weights_move_the_share_and_widen_its_interval() -> None:
    labels = np.repeat([1.0, 0.0], 10)
    even, tilted = (
        binned_shares(np.full(20, 0.5), labels, weights)[0] for weights in (None, np.repeat([3.0, 1.0], 10))
    )
    assert (even.share.value, tilted.share.value) == (0.5, 0.75)
    assert tilted.effective == pytest.approx(16)
    assert tilted.share.high - tilted.share.low > 0.4


def test_shares_as_labels_have_students_interval() -> None:
    labels = np.array([0.2, 0.4, 0.6, 0.3, 0.5])
    found = binned_shares(np.full(5, 0.7), labels)[0].share
    assert found.method == "Student"
    half = 2.776445 * labels.std(ddof=1) / np.sqrt(5)
    assert (found.low, found.high) == pytest.approx((0.4 - half, 0.4 + half), abs=1e-6)


def test_band_of_one_score_is_the_exact_interval() -> None:
    """One group has m (m + 1) = 2: the limits of Clopper and Pearson at the level itself."""
    band = monotone_band(np.full(10, 0.4), [1] * 3 + [0] * 7)
    assert (band.low[0], band.high[0]) == pytest.approx((beta.ppf(0.025, 3, 8), beta.ppf(0.975, 4, 7)))


def test_band_never_decreases_and_is_narrower_with_more_labels() -> None:
    widths = []
    for n in (50, 500):
        random = np.random.default_rng(7)
        scores = random.random(n)
        band = monotone_band(scores, (random.random(n) < scores).astype(float))
        assert (np.diff(band.low) >= 0).all()
        assert (np.diff(band.high) >= 0).all()
        assert (band.low <= band.high).all()
        widths.append(np.mean(band.high - band.low))
    assert widths[1] < 0.7 * widths[0]


def test_band_holds_the_whole_curve_at_once() -> None:
    held = 0
    for seed in range(150):
        random = np.random.default_rng([8, seed])
        scores = random.integers(1, 10, 120) / 10
        truth = scores**3
        band = monotone_band(scores, (random.random(120) < truth).astype(float))
        curve = band.scores**3
        held += bool(((band.low <= curve) & (curve <= band.high)).all())
    assert held / 150 >= 0.95
