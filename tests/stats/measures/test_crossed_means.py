"""The variance of crossed means is that of draws of concepts and items, and what cannot be known is withheld."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gnomon.stats.measures.contrast_limits import mean_contrast, rate_contrast
from gnomon.stats.measures.crossed_means import LIKE, THESE, TrialGroup, crossed_means, trial_group
from gnomon.stats.measures.measured_trials_frame import checked_frame

RNG = np.random.default_rng(4)
CONCEPTS, ITEMS = 6, 8


def group(table: np.ndarray, items: np.ndarray | None = None, concepts: bool = True, task: str = "t") -> TrialGroup:
    """Rows of the table are concepts, columns items."""
    rows, columns = table.shape
    names = np.tile(np.arange(columns), rows) if items is None else items
    return TrialGroup(
        task,
        table.ravel(),
        np.array([f"c{c}" if concepts else None for c in np.repeat(np.arange(rows), columns)], dtype=object),
        np.array([f"q{i}" for i in names], dtype=object),
        np.ones(table.size),
        np.zeros(table.size),
        np.zeros(table.size, dtype=int),
    )


def study(nested: bool) -> list[TrialGroup]:
    """Injection less control with effects of concepts, items and both: sd 1, 1.5 and 2."""
    shape = CONCEPTS * ITEMS if nested else ITEMS
    effects, shared = RNG.normal(0, 1.5, shape), RNG.normal(0, 3, shape)
    both = np.reshape(effects + shared, (CONCEPTS, ITEMS)) if nested else np.tile(effects + shared, (CONCEPTS, 1))
    steered = RNG.normal(0, 1, (CONCEPTS, 1)) + both + RNG.normal(0, 2, (CONCEPTS, ITEMS))
    items = np.arange(shape) if nested else None
    plain = group(shared[None, :] + RNG.normal(0, 0.1, (1, shape)), np.arange(shape), concepts=False)
    return [group(steered, items), plain]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("target", [THESE, LIKE])
def test_the_variance_of_a_difference_is_that_over_repeated_studies(nested: bool, target: str) -> None:
    weights = np.array([1.0, -1.0])
    made = [crossed_means(study(nested)) for _ in range(400)]
    variance = np.mean([means.contrast_variance(weights, target)[0] for means in made])
    items = 1.5**2 / (CONCEPTS * ITEMS if nested else ITEMS)
    expected = items + 2**2 / (CONCEPTS * ITEMS) + 0.1**2 / ITEMS + (1 / CONCEPTS if target == LIKE else 0)
    assert variance == pytest.approx(expected, rel=0.08), "what items share with their control cancels"


def test_degrees_of_freedom_are_those_of_the_textbook_where_one_factor_decides() -> None:
    concepts = np.repeat(RNG.normal(0, 1, (5, 1)), 40, axis=1) + RNG.normal(0, 1e-3, (5, 40))
    _, freedom = crossed_means([group(concepts)]).contrast_variance(np.ones(1), LIKE)
    assert freedom == pytest.approx(4, abs=0.1)
    items = np.tile(RNG.normal(0, 1, (1, 7)), (30, 1))
    _, freedom = crossed_means([group(items)]).contrast_variance(np.ones(1), THESE)
    assert freedom == pytest.approx(6, abs=0.1)


def test_one_concept_speaks_for_itself_alone() -> None:
    means = crossed_means([group(RNG.normal(0, 1, (1, 9)))])
    assert mean_contrast(means, np.ones(1), LIKE) is None
    assert mean_contrast(means, np.ones(1), THESE) is not None


def test_a_single_response_to_an_item_of_its_own_tells_no_variance() -> None:
    means = crossed_means([group(RNG.normal(0, 1, (5, 1)), np.arange(5))])
    assert mean_contrast(means, np.ones(1), THESE) is None
    assert mean_contrast(means, np.ones(1), LIKE) is not None


def test_concepts_count_alike_whatever_their_number_of_trials() -> None:
    many, few = group(np.ones((1, 20))), group(np.zeros((1, 2)))
    names = np.concatenate([many.concepts, np.full(2, "other", dtype=object)])
    joined = TrialGroup(
        "t",
        np.concatenate([many.values, few.values]),
        names,
        np.concatenate([many.items, few.items]),
        np.ones(22),
        np.zeros(22),
        np.zeros(22, dtype=int),
    )
    assert crossed_means([joined]).means[0] == pytest.approx(0.5)


def test_a_row_of_many_trials_has_the_interval_of_the_trials() -> None:
    """500 trials with 440 right as one row, and one by one."""
    answers = np.concatenate([np.ones(440), np.zeros(60)])
    usual = {"arm": "injection", "concept": "c", "layer": 9, "strength": 4, "subject": "s", "task": "t", "item": None}
    one = checked_frame(pd.DataFrame({"correct": answers}).assign(**usual))
    row = checked_frame(pd.DataFrame({"correct": [0.88], "n": [500]}).assign(**usual))
    first, second = (
        rate_contrast(crossed_means([trial_group("t", each, each["correct"].to_numpy())]), np.ones(1), THESE)
        for each in (one, row)
    )
    assert first is not None
    assert second is not None
    assert first.interval.low == pytest.approx(second.interval.low, abs=1e-3)
    assert first.interval.high == pytest.approx(second.interval.high, abs=1e-3)
    assert 0.845 < second.interval.low < 0.852, "Wilson's limit of 440 of 500 is .8485"


def test_rates_of_0_and_1_have_intervals_with_a_width() -> None:
    hits, alarms = group(np.ones((4, 5))), group(np.zeros((4, 5)))
    made = rate_contrast(crossed_means([hits, alarms]), np.array([1.0, -1.0]), LIKE)
    assert made is not None
    assert made.interval.value == made.interval.high == 1
    assert 0.6 < made.interval.low < 0.95
