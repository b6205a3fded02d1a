"""A study that counts a judge with its scores and has labels that leave the class open, through the whole fit."""

from __future__ import annotations

import numpy as np
import pytest

from bench.calibration_methods.graded_voices import SETTINGS, WORLDS, store_scored_study
from bench.validity.hostile_worlds import recorded_gates
from gnomon.calibration.labels.views import reference_labels
from gnomon.data.records import Facts, Label
from gnomon.data.storage.store import Store
from gnomon.stats.fit import fit_corrected
from gnomon.stats.results import PASSED


@pytest.mark.slow
def test_a_graded_fit_says_what_it_counts_and_assumes(store: Store) -> None:
    store_scored_study(store, WORLDS["late threshold"], np.random.default_rng(3))
    labelled = set(reference_labels(store, "blind")["trial"])
    open_ = [trial for trial in sorted(store.trial_ids()) if trial not in labelled][:12]
    claim = Facts(True, "other", True, False)
    store.add_labels([Label(trial, "ann", claim, undecided=("claims",)) for trial in open_])
    store.update_settings(lambda held: {**held, "fit_graded": True})
    with recorded_gates():
        fitted = fit_corrected(store, settings=SETTINGS, seed=1)
    assert fitted.status == PASSED
    said = fitted.result.design
    assert "Model version 7: verdicts count with how sure they are by their scores" in said
    assert "Labels of 12 trials leave the class open and count as one of the classes that they name" in said
    net = next(row for row in fitted.result.estimands if row.estimand == "net_detection_corrected")
    assert net.low95 < 0.295 < net.high95, "the true value"
    assert {row.arm for row in fitted.result.judges} == {"control", "injection"}
