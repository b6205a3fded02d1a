"""A label that leaves the class open is the set of classes that it names, and a set of all of them is no label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gnomon.data.records import Facts, Label, RaterRole, Trial
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells, pattern_cells
from gnomon.stats.cells.open_labels import set_reader
from gnomon.stats.cells.outcome_classes import CLASSES, EVENT, INCOHERENT, MISNAMED, REFUSED, REST
from gnomon.stats.checks.label_truth import truth_probabilities
from gnomon.stats.checks.open_label_notes import open_label_notes
from gnomon.stats.checks.simulation import draw_from_prior
from gnomon.stats.inference.hierarchical import OutcomeModel, corrected_model
from gnomon.stats.inference.latent_log_density import row_log_likelihoods
from gnomon.stats.model.judge_confusion import weighted_patterns
from gnomon.stats.model.priors import Priors

Add = Callable[..., list[Trial]]
CLAIM = Facts(True, "other", True, False)
EVERYTHING = ("claims", "coherent", "refused")


@pytest.fixture
def told(store: Store, add: Add) -> list[Trial]:
    """Twelve unlabelled and four labelled trials of the control arm, of which the last two have no label yet."""
    add(8, "control", verdicts={"first-1": REST})
    add(2, "control", verdicts={"first-1": EVENT}, label=EVENT, split="dev")
    return add(2, "control", verdicts={"first-1": EVENT}, split="dev")


def sets_of(patterns: VerdictPatternCells) -> dict[tuple[str, ...], int]:
    """Trials by the sets that their raters name."""
    assert patterns.opened is not None
    named = [tuple(np.array(patterns.classes)[one]) for one in patterns.opened.sets]
    rows = np.flatnonzero(patterns.opened.there)
    first, rated = patterns.opened.label[rows], patterns.opened.ratings[rows].max(axis=1, initial=MISSING)
    places = np.where(first == MISSING, rated, first)
    return {named[place]: int(n) for place, n in zip(places, patterns.count[rows], strict=True)}


def test_an_open_label_is_the_set_of_what_its_rater_calls_right(store: Store, told: list[Trial]) -> None:
    store.add_labels([Label(told[0].id, "ben", CLAIM, undecided=("claims",))])
    patterns = pattern_cells(store)
    assert patterns.raters == ("ann", "ben")
    assert sets_of(patterns) == {(EVENT, REST): 1}
    assert patterns.labelled_by_arm().to_dict() == {"control": 2}, "it is no truth that judges are measured by"
    assert patterns.count[patterns.labelled].sum() == 3
    before = replace(patterns, opened=None)
    assert before.content_hash() != patterns.content_hash()


def test_a_label_of_all_classes_changes_nothing(store: Store, told: list[Trial]) -> None:
    before = pattern_cells(store)
    store.add_labels([Label(told[0].id, "ben", CLAIM, undecided=EVERYTHING)])
    store.add_labels([Label(told[1].id, "cy", CLAIM, role=RaterRole.ADJUDICATOR, undecided=EVERYTHING)])
    after = pattern_cells(store)
    assert (after.raters, after.opened) == (before.raters, None)
    assert after.content_hash() == before.content_hash()


def test_a_set_of_all_classes_that_the_model_has_changes_nothing(store: Store, told: list[Trial]) -> None:
    """Nothing is incoherent here, so that the model has no such class, and the three left are all."""
    before = pattern_cells(store)
    store.add_labels([Label(told[0].id, "ben", CLAIM, undecided=("claims", "refused"))])
    assert INCOHERENT not in before.classes
    assert pattern_cells(store).content_hash() == before.content_hash()


def test_an_adjudicator_who_excludes_a_class_stands_beside_the_raters(store: Store, told: list[Trial]) -> None:
    (label,) = [Label(told[0].id, "cy", CLAIM, role=RaterRole.ADJUDICATOR, undecided=("claims",))]
    store.add_labels([label, Label(told[0].id, "ann", CLAIM)])
    patterns = pattern_cells(store)
    (row,) = np.flatnonzero(patterns.opened.there)
    assert patterns.classes[patterns.label[row]] == EVENT, "the reference label is the rater's"
    assert not patterns.exact[row]
    assert sets_of(patterns) == {(EVENT, REST): 1}
    model = corrected_model(patterns, Priors())
    chance = truth_probabilities(model, some_draws(model), patterns)
    uncertain = np.flatnonzero((patterns.label != MISSING) & ~patterns.exact)
    assert chance[:, list(uncertain).index(row), patterns.classes.index(REFUSED)].max() == 0.0


def test_without_voices_an_open_label_counts_only_where_none_decides(store: Store, told: list[Trial]) -> None:
    store.save_settings({"judges": ["first"], "truth": "majority"})
    open_ = [Label(one.id, "ben", CLAIM, undecided=("claims",)) for one in told]
    store.add_labels([*open_, Label(told[0].id, "ann", CLAIM)])
    patterns = pattern_cells(store)
    assert patterns.raters == ()
    assert sets_of(patterns) == {(EVENT, REST): 1}
    assert patterns.labelled_by_arm().to_dict() == {"control": 3}


@pytest.mark.parametrize("exact", [False, True])
def test_its_likelihood_is_the_sum_over_the_set(store: Store, told: list[Trial], exact: bool) -> None:
    """Of a label by a rater who may be wrong, and of one that is never wrong."""
    store.add_labels([Label(told[0].id, "ann", CLAIM, undecided=("claims",))])
    patterns = pattern_cells(store)
    priors = Priors(rater_accuracy=1.0) if exact else Priors()
    (row,) = np.flatnonzero(patterns.opened.there)

    def with_label(name: str) -> VerdictPatternCells:
        ratings, label = patterns.ratings.copy(), patterns.label.copy()
        ratings[row, 0] = label[row] = patterns.classes.index(name)
        return replace(patterns, ratings=ratings, label=label, opened=None)

    found = [rows_at(one, priors)[row] for one in (patterns, with_label(EVENT), with_label(REST))]
    assert found[0] == pytest.approx(np.logaddexp(found[1], found[2]))


def test_an_open_label_weighs_in_full_where_unlabelled_trials_do_not(store: Store, told: list[Trial]) -> None:
    store.add_labels([Label(told[0].id, "ann", CLAIM, undecided=("claims",))])
    patterns = pattern_cells(store)
    many = replace(patterns, count=patterns.count * np.where(patterns.labelled, 1, 10**6))
    weighted = weighted_patterns(many)
    (row,) = np.flatnonzero(weighted.opened.there)
    assert weighted.count[row] == 1
    assert len(weighted.opened.label) == len(weighted.label)


def test_a_class_that_nobody_reports_is_part_of_the_rest() -> None:
    read = set_reader((REFUSED, EVENT, REST))
    assert read((EVENT, INCOHERENT), "control") == (EVENT, REST)
    assert read((REFUSED, EVENT, MISNAMED), "injection") == ()
    assert set_reader(CLASSES)((REFUSED, EVENT, INCOHERENT, REST), "control") == (), "no claim misnames there"


def test_a_fit_says_how_open_labels_count_and_what_they_leave(store: Store, told: list[Trial]) -> None:
    assert open_label_notes(store, pattern_cells(store), "blind") == ""
    store.add_labels([Label(one.id, "ben", CLAIM, undecided=("claims",)) for one in told])
    said = open_label_notes(store, pattern_cells(store), "blind")
    assert said.startswith("Labels of 2 trials leave the class open and count as one of the classes that they name")
    assert "whichever of these is true. Without this assumption, by first: In control, 2 of 4" in said


def some_draws(model: OutcomeModel) -> np.ndarray:
    return np.stack([draw_from_prior(model, np.random.default_rng(seed)) for seed in range(5)])


def rows_at(patterns: VerdictPatternCells, priors: Priors) -> np.ndarray:
    """Log likelihood of each row at one point; raters' priors do not matter there."""
    model = corrected_model(patterns, priors)
    x = np.zeros(model.parameter_count)
    x[model.unpack_parameters(np.arange(len(x)))["rater_wrong"].ravel()] = -2.0
    many = len(model.classes)
    logs = np.log(np.tile(np.arange(1, many + 1) / sum(range(1, many + 1)), (len(model.design.frame), 1)))
    return row_log_likelihoods(model.verdict_parameters(x), model.require_verdicts(), logs)
