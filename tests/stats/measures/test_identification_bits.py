"""Bits are those of the table, 0 where the choice is a preference, and the same whenever they are computed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gnomon.stats.measures.identification_bits import identification_bits, information_interval, table_information
from gnomon.stats.measures.measured_trials_frame import checked_frame
from tests.stats.measures.conftest import trial_rows

RNG = np.random.default_rng(5)


def test_information_of_known_tables() -> None:
    assert table_information(np.eye(4)) == pytest.approx(2.0)
    assert table_information(np.full((4, 3), 1 / 3)) == pytest.approx(0.0, abs=1e-12)
    noisy = np.full((2, 2), 0.1) + 0.8 * np.eye(2)
    assert table_information(noisy) == pytest.approx(1 + 0.9 * math.log2(0.9) + 0.1 * math.log2(0.1))


def test_a_preference_for_one_concept_is_no_information() -> None:
    counts = RNG.multinomial(30, [0.7, 0.1, 0.1, 0.1], 4).astype(float)
    found, p_value = information_interval(counts)
    assert found.low == pytest.approx(0, abs=0.01)
    assert found.value < 0.1, "the plug-in value is higher"
    assert p_value > 0.025


def test_the_interval_holds_the_truth_of_a_fair_identifier() -> None:
    shares = np.full((5, 5), 0.08) + 0.6 * np.eye(5)
    held = 0
    for _ in range(12):
        counts = np.array([RNG.multinomial(20, row) for row in shares]).astype(float)
        found, _ = information_interval(counts)
        held += found.low <= float(table_information(shares)) <= found.high
    assert held >= 10


def test_bits_of_trials_and_responses_to_one_item_count_once() -> None:
    rows = trial_rows("pick", "injection", [[1.0] * 8] * 3, column="correct", expected="{concept}")
    frame = checked_frame(rows.assign(picked=rows["concept"]))
    found = identification_bits(frame, "s")
    assert found is not None
    assert (found.n, found.concepts, found.most) == (24, 3, pytest.approx(math.log2(3)))
    assert found.estimate.low > 0.8
    twice = identification_bits(checked_frame(rows.assign(picked=rows["concept"]).loc[rows.index.repeat(2)]), "s")
    assert twice is not None
    assert twice == found


def test_nothing_chosen_is_no_estimate() -> None:
    rows = trial_rows("pick", "injection", [[1.0] * 3] * 3, column="correct")
    assert identification_bits(checked_frame(rows), "s") is None
    assert identification_bits(checked_frame(rows.assign(picked="fear", concept="fear")), "s") is None


@pytest.mark.parametrize("options", [3, 5, 7, 8])
def test_a_choice_that_tells_nothing_has_a_lower_limit_of_exactly_0(options: int) -> None:
    found, p_value = information_interval(np.tile(np.arange(1, options + 1), (options, 1)))
    assert found.low == 0
    assert p_value > 0.5
