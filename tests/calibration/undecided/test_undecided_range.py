"""Labels that leave a fact open are no truth; what they leave open is a range that holds under every answer."""

from __future__ import annotations

import pytest
from simulated_study import FACTS, fill_study
from sqlalchemy import select

from gnomon.calibration.correction.methods import ppi_estimate
from gnomon.calibration.error_rates.confusion import collect_evidence
from gnomon.calibration.labels.views import rater_labels, reference_labels
from gnomon.calibration.undecided.undecided_range import undecided_range
from gnomon.data.records import Facts, Label
from gnomon.data.storage.tables import labels
from gnomon.stats.cells.aggregation import pattern_cells

STATED_EVENT = Facts(claims=True, concept="ocean", coherent=True, refused=False)


@pytest.fixture
def opened(store):
    """A study of which 30 labelled trials are labelled again by somebody who leaves open whether there is a claim."""
    study = fill_study(store, n=600)
    unlabelled = sorted(set(study.truth) - set(store.read_frame(select(labels.c.trial))["trial"]))[:30]
    store.add_labels([Label(each, "ben", STATED_EVENT, undecided=("claims",)) for each in unlabelled])
    return store, unlabelled


def test_an_undecided_label_is_no_truth_that_judges_are_measured_by(store):
    study = fill_study(store, n=600)
    before = reference_labels(store, "blind"), pattern_cells(store, view="blind")
    rest = sorted(set(study.truth) - set(before[0]["trial"]))[:30]
    store.add_labels([Label(each, "ann", STATED_EVENT, undecided=("claims",)) for each in rest])
    assert reference_labels(store, "blind").equals(before[0])
    after = pattern_cells(store, view="blind")
    assert after.labelled_by_arm().equals(before[1].labelled_by_arm())
    assert after.count[after.opened.there].sum() == 30, "the fit knows the classes that they leave open"


def test_an_undecided_fact_on_which_the_outcome_does_not_hang_decides_all_the_same(store):
    fill_study(store, n=40)
    trial = store.load_trials()[0].id
    store.add_labels([Label(trial, "zoe", FACTS["refused"], undecided=("claims",))])
    mine = rater_labels(store, "blind").set_index("rater").loc["zoe"]
    assert mine["decides"], "a refusal is one, whatever it claims"


def test_the_range_holds_both_extremes_and_the_soft_truth_lies_between(opened):
    store, _ = opened
    part = undecided_range(store, "careful-1", "blind")
    assert 0 < part.undecided < 30, "those of the test split are not looked at"
    for arm in part.arms:
        none, half, all_ = (each.label_rate for each in arm.readings)
        assert none.value < half.value < all_.value
        assert arm.low == none.low
        assert arm.high == all_.high
        assert arm.readings[0].agreement + arm.readings[2].agreement == pytest.approx(2 * arm.readings[1].agreement)
    assert part.words[0].startswith(f"{part.undecided} of {part.labelled} labelled trials leave open")


def test_without_undecided_labels_there_is_nothing_to_say(store):
    fill_study(store, n=200)
    assert undecided_range(store, "careful-1", "blind") is None


def test_a_reading_is_the_rate_of_labels_that_say_so(store):
    """All undecided as events gives what PPI++ gives where the raters had said so."""
    study = fill_study(store, n=600)
    rest = sorted(set(study.truth) - set(reference_labels(store, "blind")["trial"]))[:30]
    store.add_labels([Label(each, "ann", STATED_EVENT, undecided=("claims",)) for each in rest])
    part = undecided_range(store, "careful-1", "blind")
    said = [Label(each, "ann", STATED_EVENT, revision=1) for each in rest]
    store.add_labels(said)
    found = collect_evidence(store, ["careful-1"], "blind", splits=part.splits)[0]
    for arm in part.arms:
        assert arm.readings[-1].label_rate.value == pytest.approx(ppi_estimate(arm.arm, found).value)
