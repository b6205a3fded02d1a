"""Confidence sequences hold at all times together: published form, simulation, symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta, binom

from gnomon.calibration.sequential.confidence_sequences import (
    cumulative_counts,
    log_evidence,
    log_evidence_below,
    one_sided_limit,
    running_limits,
    sequence_difference,
    sequence_interval,
)
from gnomon.data.errors import InputError, NotEnoughDataError


@pytest.mark.parametrize(("k", "n", "p"), [(0, 10, 0.2), (7, 30, 0.4), (30, 30, 0.9)])
def test_with_a_uniform_prior_it_is_robbins_inequality(k, n, p):
    """Robbins (1970): with probability at most e, b(k; n, p) ever falls to e / (n + 1)."""
    evidence = log_evidence(k, n, p, (1, 1))
    assert float(evidence) == pytest.approx(-np.log((n + 1) * binom.pmf(k, n, p)))


def test_robbins_inequality_is_where_the_interval_ends():
    interval = sequence_interval(3, 40, prior=(1, 1))
    assert 41 * binom.pmf(3, 40, [interval.low, interval.high]) == pytest.approx([0.05, 0.05], rel=1e-5)


def test_the_one_sided_mixture_is_an_average_over_lower_rates():
    k, n, p = 2, 50, 0.15
    mass = beta(0.5, 0.5)
    part = quad(lambda q: mass.pdf(q) * (q / p) ** k * ((1 - q) / (1 - p)) ** (n - k), 0, p)[0] / mass.cdf(p)
    assert float(log_evidence_below(k, n, p)) == pytest.approx(np.log(part), rel=1e-5)


@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_limits_hold_at_all_times_together(rate):
    draws = np.random.default_rng(3).random((400, 400)) < rate
    events = draws.cumsum(axis=1)
    trials = np.broadcast_to(np.arange(1, 401), events.shape)
    outside = (log_evidence(events, trials, rate) >= np.log(20)).any(axis=1).mean()
    above = (log_evidence_below(events, trials, rate) >= np.log(20)).any(axis=1).mean()
    assert outside <= 0.05
    assert above <= 0.05


def test_looking_after_each_trial_at_plain_intervals_would_not_hold():
    """The defect that sequences repair: Wilson's interval misses at some time far more often than 5 %."""
    draws = np.random.default_rng(3).random((200, 400)) < 0.3
    n = np.arange(1, 401)
    share = draws.cumsum(axis=1) / n
    wrong = np.abs(share - 0.3) > 1.96 * np.sqrt(0.3 * 0.7 / n)
    assert wrong[:, 10:].any(axis=1).mean() > 0.2


@settings(max_examples=25)
@given(st.integers(1, 60), st.data())
def test_limits_contain_the_rate_and_are_mirror_images(n, data):
    k = data.draw(st.integers(0, n))
    one, mirrored = sequence_interval(k, n), sequence_interval(n - k, n)
    assert 0 <= one.low <= k / n <= one.high <= 1
    assert (one.low, one.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low), abs=1e-9)
    assert one_sided_limit(k, n, "lower") == pytest.approx(1 - one_sided_limit(n - k, n, "upper"))


def test_a_one_sided_limit_is_nearer_than_a_two_sided_one():
    assert one_sided_limit(3, 100, "upper") < sequence_interval(3, 100).high


def test_without_a_trial_nothing_is_known():
    assert (one_sided_limit(0, 0, "lower"), one_sided_limit(0, 0, "upper")) == (0, 1)
    with pytest.raises(NotEnoughDataError, match="no trial"):
        sequence_interval(0, 0)
    with pytest.raises(InputError, match="between 0 and the number"):
        sequence_interval(3, 2)


def test_a_running_sequence_ends_in_the_interval_of_all_trials():
    events, trials = cumulative_counts([True, False, False, True, False])
    running = running_limits(events, trials)
    last = sequence_interval(2, 5)
    assert (running.low[-1], running.high[-1]) == pytest.approx((last.low, last.high))
    assert running.rate.tolist() == [1, 0.5, pytest.approx(1 / 3), 0.5, 0.4]


def test_a_difference_holds_what_it_should():
    interval = sequence_difference((5, 100), (30, 100))
    assert interval.low < -0.25 < interval.high < 0
    mirrored = sequence_difference((30, 100), (5, 100))
    assert (mirrored.low, mirrored.high) == pytest.approx((-interval.high, -interval.low), abs=1e-5)


def test_a_difference_of_certain_rates_is_found():
    interval = sequence_difference((0, 300), (300, 300))
    assert interval.value == -1
    assert interval.low == pytest.approx(-1)
    assert interval.high < -0.9
