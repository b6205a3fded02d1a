"""A change of a rate is found soon, and seldom told where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betaln

from gnomon.calibration.sequential.change_detection import change_evidence, likeliest_change


def test_the_evidence_after_two_trials_is_what_it_says():
    """Mixture over "no change yet" (weights 1/2 of one candidate) and "changed after the first" over the likelihood."""
    half = betaln(1.5, 0.5) - betaln(0.5, 0.5)
    together = betaln(1.5, 1.5) - betaln(0.5, 0.5)
    expected = np.log(0.5 * np.exp(together) + 0.5 * np.exp(2 * half)) - 2 * np.log(0.5)
    assert change_evidence([True, False]).log_evidence[-1] == pytest.approx(expected)


def test_a_change_is_found_where_it_is():
    random = np.random.default_rng(2)
    events = np.concatenate([random.random(200) < 0.05, random.random(200) < 0.4])
    found = change_evidence(events)
    assert found.decided is not None
    assert 200 < found.decided < 300
    assert found.change == pytest.approx(200, abs=25)


def test_what_comes_later_does_not_change_what_was_decided():
    random = np.random.default_rng(2)
    events = np.concatenate([random.random(200) < 0.05, random.random(200) < 0.4])
    whole, part = change_evidence(events), change_evidence(events[:300])
    assert (whole.decided, whole.change) == (part.decided, part.change)


@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_no_change_is_seldom_told(rate):
    random = np.random.default_rng(4)
    told = [change_evidence(random.random(200) < rate).decided is not None for _ in range(200)]
    assert np.mean(told) <= 0.05


def test_few_trials_decide_nothing():
    assert change_evidence([]).decided is None
    assert change_evidence([True]).log_evidence.tolist() == [pytest.approx(np.log(0.5))]
    assert likeliest_change([True]) == 0
    assert likeliest_change([False, False, True, True]) == 2
