"""Signal detection indices: published values, and intervals where a rate is 0."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.stats.estimands.definitions import EstimandDraws
from gnomon.stats.estimands.signal_detection import (
    response_criterion,
    sensitivity_index,
    signal_detection_indices,
)

RNG = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("hit", "false_alarm", "d_prime", "criterion"),
    [
        (0.8, 0.2, 1.683, 0.0),
        (0.75, 0.21, 1.481, 0.066),  # Stanislaw and Todorov (1999): d' 1.48
        (0.5, 0.5, 0.0, 0.0),
        (0.99, 0.6, 2.073, -1.290),
    ],
)
def test_the_indices_are_those_of_the_textbooks(
    hit: float, false_alarm: float, d_prime: float, criterion: float
) -> None:
    rates = np.array([hit]), np.array([false_alarm])
    assert sensitivity_index(*rates)[0] == pytest.approx(d_prime, abs=1e-3)
    assert response_criterion(*rates)[0] == pytest.approx(criterion, abs=1e-3)


def test_each_model_with_both_rates_has_both_indices_with_intervals() -> None:
    every = [
        EstimandDraws("a", "detection", RNG.beta(30, 70, 4000)),
        EstimandDraws("a", "false_alarm", RNG.beta(0.5, 200.5, 4000)),
        EstimandDraws("a", "false_alarm", RNG.beta(5, 5, 4000), {"arm": "random"}),
        EstimandDraws("b", "detection", RNG.beta(30, 70, 4000)),
    ]
    d_prime, criterion = signal_detection_indices(every)
    assert (d_prime.subject, d_prime.estimand, criterion.estimand) == ("a", "d_prime", "criterion")
    assert 1.5 < d_prime.low95 < d_prime.mean < d_prime.high95 < 8, "no false alarm was counted: finite, and wide"
    assert criterion.low95 > 0.5, "it is reluctant"


def test_a_rate_that_rounding_makes_0_gives_a_number() -> None:
    assert np.isfinite(sensitivity_index(np.array([1.0]), np.array([0.0]))).all()
