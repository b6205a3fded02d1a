"""Scores as levels: two of them are the posterior of one judge with yes and no; more narrow it where they tell more."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.calibration.graded.level_posterior import level_posterior
from gnomon.calibration.posterior.single_judge import joint_posterior
from gnomon.data.errors import InputError, NotEnoughDataError

EVENTS = np.repeat([1.0, 0.0], [50, 100])
SAID = np.repeat([0.9, 0.1, 0.9, 0.1], [40, 10, 8, 92])
REST = np.repeat([0.9, 0.1], [150, 250])


def test_two_levels_are_the_joint_posterior_of_yes_and_no() -> None:
    found = level_posterior(EVENTS, SAID, REST, levels=2)
    exact = joint_posterior((150, 400), (40, 50), (92, 100), internal=True)
    assert (found.value, found.low, found.high) == pytest.approx((exact.value, exact.low, exact.high), abs=0.003)


def test_levels_narrow_the_interval_where_a_threshold_at_one_half_is_wrong() -> None:
    random = np.random.default_rng(3)
    scores = random.random(500)
    events = (random.random(500) < 1 / (1 + np.exp(-25 * (scores - 0.8)))).astype(float)
    label, rest = slice(0, 80), slice(80, None)
    said = scores >= 0.5
    hits = ((said[label] & (events[label] == 1)).sum(), (events[label] == 1).sum())
    right = ((~said[label] & (events[label] == 0)).sum(), (events[label] == 0).sum())
    graded = level_posterior(events[label], scores[label], scores[rest])
    rounded = joint_posterior((said[rest].sum(), 420), hits, right, internal=True)
    assert graded.high - graded.low < 0.9 * (rounded.high - rounded.low)
    assert graded.low < events.mean() < graded.high


def test_without_unlabelled_trials_it_is_the_posterior_of_the_labels() -> None:
    found = level_posterior(EVENTS, SAID, [])
    assert found.value == pytest.approx(51 / 152, abs=0.003)


def test_the_same_seed_gives_the_same_interval() -> None:
    assert level_posterior(EVENTS, SAID, REST) == level_posterior(EVENTS, SAID, REST)


def test_labels_of_one_kind_and_shares_are_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="no labelled event or no labelled non-event"):
        level_posterior(np.ones(20), np.linspace(0, 1, 20), REST)
    with pytest.raises(InputError, match="labels are shares"):
        level_posterior(EVENTS / 2, SAID, REST)
