"""Labels of one verdict alone correct nothing: the fit says so instead of giving an interval that the prior made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.validity.hostile_studies import store_study
from bench.validity.hostile_worlds import WORLDS
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import pattern_cells
from gnomon.stats.cells.label_support import arms_with_one_verdict
from gnomon.stats.fit import fit_corrected
from gnomon.stats.results import REFUSED


def test_a_fit_of_labels_of_one_verdict_is_refused_in_words(store: Store) -> None:
    store_study(store, WORLDS["one-verdict"], np.random.default_rng(1))
    fitted = fit_corrected(store)
    assert fitted.status == REFUSED
    assert not fitted.result.estimands
    reasons = {row.reason for row in fitted.result.refused}
    assert any("labels of the injection arm are of trials that judge 1 calls event" in reason for reason in reasons)
    assert all("label some of the others, then fit again" in reason for reason in reasons if "judge 1" in reason)


def test_labels_at_random_and_by_dispute_are_no_labels_of_one_verdict(store: Store) -> None:
    store_study(store, WORLDS["flat-two-dispute"], np.random.default_rng(1))
    assert arms_with_one_verdict(pattern_cells(store)) == {}


def test_a_few_labels_with_the_common_verdict_are_no_choice_by_verdict(store: Store) -> None:
    """Forty labels at random of an arm in which hardly any verdict is an event."""
    store_study(store, replace(WORLDS["flat-one-random"], labels=20), np.random.default_rng(2))
    assert arms_with_one_verdict(pattern_cells(store)) == {}
