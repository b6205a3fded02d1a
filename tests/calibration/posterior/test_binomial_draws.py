"""Binomial numbers of large studies have their distribution, and those of small ones come from the stream as before."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, kstest

from gnomon.calibration.numerics.numba_cache import compiled
from gnomon.calibration.posterior.judge_panel import MANY, _draw_binomial


@compiled
def _draw_many(n: int, p: float, many: float, out: np.ndarray) -> None:
    np.random.seed(5)
    for place in range(len(out)):
        out[place] = _draw_binomial(n, p, many)


@compiled
def _draw_plainly(n: int, p: float, out: np.ndarray) -> None:
    np.random.seed(5)
    for place in range(len(out)):
        out[place] = np.random.binomial(n, p)


@pytest.mark.parametrize(("n", "p"), [(2_000, 0.5), (200_000, 0.01), (5_000, 0.88), (300_000, 0.3)])
def test_order_statistics_give_a_binomial_number(n: int, p: float) -> None:
    drawn = np.empty(20_000, dtype=np.int64)
    _draw_many(n, p, MANY, drawn)
    jitter = np.random.default_rng(6).random(len(drawn))
    places = binom.cdf(drawn - 1, n, p) + jitter * binom.pmf(drawn, n, p)  # uniform, if the law is right
    assert kstest(places, "uniform").pvalue > 0.001


def test_a_small_number_comes_from_the_same_stream_as_before() -> None:
    ours, plain = np.empty(200, dtype=np.int64), np.empty(200, dtype=np.int64)
    for n, p, many in ((300, 0.4, MANY), (4_000, 0.5, math.inf)):
        _draw_many(n, p, many, ours)
        _draw_plainly(n, p, plain)
        assert (ours == plain).all()
