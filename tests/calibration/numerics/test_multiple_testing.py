"""Holm's adjustment agrees with statsmodels; a p-value is written in one way."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from gnomon.calibration.numerics.multiple_testing import format_p, holm_adjusted


@pytest.mark.parametrize("seed", range(5))
def test_it_is_statsmodels_holm(seed):
    p = np.random.default_rng(seed).uniform(size=7) ** 3
    assert holm_adjusted(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1])


def test_ties_one_test_and_none():
    assert holm_adjusted([0.02, 0.02, 0.6]) == pytest.approx([0.06, 0.06, 0.6])
    assert holm_adjusted([0.3]) == [0.3]
    assert holm_adjusted([]) == []


@pytest.mark.parametrize(
    ("p", "written"),
    [(0.0004, "p < 0.001"), (0.0123, "p = 0.012"), (0.0496, "p = 0.050"), (0.0996, "p = 0.10"), (0.64, "p = 0.64")],
)
def test_a_p_value_is_written_in_one_way(p, written):
    assert format_p(p) == written
