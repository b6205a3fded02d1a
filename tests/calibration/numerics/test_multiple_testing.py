"""Holm's adjustment agrees with statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from gnomon.calibration.numerics.multiple_testing import holm_adjusted


@pytest.mark.parametrize("seed", range(5))
def test_it_is_statsmodels_holm(seed):
    p = np.random.default_rng(seed).uniform(size=7) ** 3
    assert holm_adjusted(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1])


def test_ties_one_test_and_none():
    assert holm_adjusted([0.02, 0.02, 0.6]) == pytest.approx([0.06, 0.06, 0.6])
    assert holm_adjusted([0.3]) == [0.3]
    assert holm_adjusted([]) == []
