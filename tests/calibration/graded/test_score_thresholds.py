"""Thresholds are chosen on the train split alone, each with what it costs, and judged on the dev split."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.calibration.graded.score_thresholds import candidate_thresholds, choose_threshold, threshold_cost
from gnomon.data.errors import InputError, NotEnoughDataError

SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
EVENTS = np.array([0, 0, 0, 1, 0, 1, 1, 1.0])
TRAIN = (SCORES, EVENTS, None)
EMPTY = (np.empty(0), np.empty(0), None)


def test_costs_are_counts_for_a_hundred_trials() -> None:
    cost = threshold_cost(TRAIN, 0.6, 2.0, 1.0)
    assert (cost.misses, cost.false_alarms, cost.cost) == (12.5, 12.5, 37.5)
    assert (cost.sensitivity.value, cost.specificity.value, cost.youden.value) == (0.75, 0.75, 0.5)


def test_the_dearer_a_miss_the_lower_the_threshold() -> None:
    assert choose_threshold(TRAIN, EMPTY, miss_price=5).chosen.threshold == 0.4
    assert choose_threshold(TRAIN, EMPTY, false_alarm_price=5).chosen.threshold == 0.7


def test_the_dev_split_takes_no_part_in_the_choice() -> None:
    flipped = (SCORES, 1 - EVENTS, None)
    one, other = (choose_threshold(TRAIN, dev, usual=0.5) for dev in (TRAIN, flipped))
    assert one.chosen == other.chosen
    assert one.tried == other.tried
    assert one.dev.youden.value == -other.dev.youden.value
    assert one.usual.threshold == 0.5
    assert choose_threshold(TRAIN, EMPTY).dev is None


def test_weights_count() -> None:
    heavy = np.where(SCORES == 0.4, 10.0, 1.0)
    assert threshold_cost((SCORES, EVENTS, heavy), 0.6, 1, 1).misses == pytest.approx(100 * 10 / 17)


def test_many_scores_give_twenty_five_thresholds() -> None:
    scores = np.random.default_rng(1).random(1000)
    tried = candidate_thresholds(scores)
    assert len(tried) == 25
    assert set(tried) <= set(scores)
    assert candidate_thresholds(np.array([0.5, 0.5, 1.0])) == [0.5, 1.0]


def test_what_cannot_be_chosen_is_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="no labelled event or no labelled non-event"):
        choose_threshold((SCORES, np.ones(8), None), EMPTY)
    with pytest.raises(InputError, match="labels are shares"):
        choose_threshold((SCORES, EVENTS / 2, None), EMPTY)
    with pytest.raises(InputError, match="price of a miss"):
        choose_threshold(TRAIN, EMPTY, miss_price=-1)
