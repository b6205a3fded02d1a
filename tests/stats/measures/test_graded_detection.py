"""AUC and d' are those of the textbooks, with intervals that have a width where nothing overlaps."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.stats.measures.graded_detection import area_under_curve, detection_indices
from tests.stats.measures.conftest import MakeTrials, trial_rows

RNG = np.random.default_rng(8)


def test_the_auc_of_shifted_normal_readings_is_that_of_theory(trials: MakeTrials) -> None:
    steered, plain = RNG.normal(1, 1, (6, 60)), RNG.normal(0, 1, (1, 60))
    found = area_under_curve(
        trials(trial_rows("notice", "injection", steered.tolist()), trial_rows("notice", "control", plain.tolist())),
        "s",
    )
    assert found is not None
    assert found.these is not None
    assert found.these.low < 0.760 < found.these.high, "Phi(1 / sqrt 2)"
    assert found.these.high - found.these.low < 0.2


def test_equal_readings_are_ties(trials: MakeTrials) -> None:
    frame = trials(trial_rows("notice", "injection", [[0.0] * 5] * 4), trial_rows("notice", "control", [[0.0] * 5]))
    found = area_under_curve(frame, "s")
    assert found is not None
    assert found.value == 0.5


def test_readings_that_do_not_overlap_leave_room_for_some_that_do(trials: MakeTrials) -> None:
    frame = trials(
        trial_rows("notice", "injection", [[5.0, 6.0, 7.0, 5.5]] * 4),
        trial_rows("notice", "control", [[0.0, 1.0, 0.5, 0.2]]),
    )
    found = area_under_curve(frame, "s")
    assert found is not None
    assert found.like_these is not None
    assert found.value == found.like_these.high == 1
    assert 0.6 < found.like_these.low < 0.95


def test_a_question_is_not_compared_with_itself(trials: MakeTrials) -> None:
    of_items = np.array([0.0, 10.0, 20.0, 30.0, 40.0])
    frame = trials(
        trial_rows("notice", "injection", [(of_items + 1).tolist()] * 3),
        trial_rows("notice", "control", [of_items.tolist()]),
    )
    found = area_under_curve(frame, "s")
    assert found is not None
    assert found.value == pytest.approx(0.5), "a push that is small beside what items differ by changes no order"


def test_an_area_of_half_has_an_interval_as_narrow_as_its_readings_allow(trials: MakeTrials) -> None:
    items = RNG.normal(0, 1, 12)
    frame = trials(
        trial_rows("notice", "injection", (items + RNG.normal(0, 0.2, (6, 12))).tolist()),
        trial_rows("notice", "control", [items.tolist()]),
    )
    found = area_under_curve(frame, "s")
    assert found is not None
    assert found.these is not None
    assert found.these.low < 0.5 < found.these.high
    assert found.these.high - found.these.low < 0.12, "not that of as many answers of yes or no"


def test_a_rating_is_read_where_there_is_no_yes(trials: MakeTrials) -> None:
    frame = trials(
        trial_rows("rating", "injection", [[7.0, 3.0]] * 3, column="score", expected="9"),
        trial_rows("rating", "control", [[2.0, 7.0]], column="score", expected="9"),
    )
    found = area_under_curve(frame, "s", task="rating")
    assert found is not None
    assert found.value == 0.75


def test_d_prime_is_the_distance_of_both_rates(trials: MakeTrials) -> None:
    steered = np.stack([RNG.permutation(np.arange(100) < 69) for _ in range(4)])
    plain = RNG.permutation(np.arange(400) < 124)[None, :]
    frame = trials(
        trial_rows("notice", "injection", steered.astype(float).tolist(), column="correct"),
        trial_rows("notice", "control", plain.astype(float).tolist(), column="correct"),
    )
    d_prime, criterion = detection_indices(frame, "s")
    for found, truth in ((d_prime, 0.992), (criterion, 0.0)):
        assert found.these is not None
        assert found.value == pytest.approx(truth, abs=0.01)
        assert found.these.low < truth < found.these.high
        assert found.these.high - found.these.low < 0.6
    assert d_prime.probability is not None
    assert d_prime.probability > 0.999


def test_d_prime_with_no_false_alarm_has_limits_that_its_trials_carry(trials: MakeTrials) -> None:
    frame = trials(
        trial_rows("notice", "injection", [[1.0, 0.0] * 6] * 6, column="correct"),
        trial_rows("notice", "control", [[0.0] * 12], column="correct"),
    )
    d_prime, criterion = detection_indices(frame, "s")
    for found in (d_prime, criterion):
        assert found.headline is not None
        assert found.headline.high - found.headline.low < 4, "not the quantile of a rate of 0"
    assert d_prime.headline is not None
    assert d_prime.headline.high > d_prime.value + 1


def test_without_a_control_there_is_nothing_to_detect_against(trials: MakeTrials) -> None:
    frame = trials(trial_rows("notice", "injection", [[1.0, 2.0]] * 2))
    assert area_under_curve(frame, "s") is None
    assert detection_indices(frame, "s") == []


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_a_bias_to_yes_raises_the_auc_of_unrelated_questions_too(trials: MakeTrials, shift: float) -> None:
    steered, plain = RNG.normal(shift - 8, 1, (5, 30)), RNG.normal(-8, 1, (1, 30))
    frame = trials(
        trial_rows("unrelated_no", "injection", steered.tolist(), expected="no"),
        trial_rows("unrelated_no", "control", plain.tolist(), expected="no"),
    )
    found = area_under_curve(frame, "s", task="unrelated_no")
    assert found is not None
    assert (found.value > 0.9) == (shift > 0)
