"""Where labels cannot show how often judges err at a strength or layer, the prior decides: estimates are withheld."""

from __future__ import annotations

import numpy as np
import pytest

from bench.validity.hostile_studies import store_study
from bench.validity.hostile_worlds import WORLDS
from gnomon.data.storage.store import Store
from gnomon.stats import fit
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.checks.event_labels import (
    MISSED_WITH,
    MOST_UNSEEN,
    EventLabels,
    arm_cautions,
    count_event_labels,
    unchecked_levels,
    unseen_error,
)
from gnomon.stats.checks.simulation import cell_frame
from gnomon.stats.estimand_registry import NET_RAW, REFUSAL, corrected_name
from gnomon.stats.estimands.result import BEST_CELL
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.inference.sampler import PosteriorDraws
from gnomon.stats.narrative.next_steps import withheld_notices
from gnomon.stats.results import Diagnostics

CLASSES = ("refused", "event", "rest")
EVENT, REST = 1, 2


def patterns(
    labelled: dict[float, int], events: int = 40, trials: int = 100, axis: str = "strength"
) -> VerdictPatternCells:
    """One judge that calls `events` of `trials` an event at each value of an axis, of which some are labelled."""
    cells = [{"arm": "injection", "concept": "x", axis: value} for value in labelled]
    rows = []
    for cell, known in enumerate(labelled.values()):
        rows += [(cell, EVENT, known, EVENT), (cell, MISSING, events - known, EVENT)]
        rows += [(cell, REST, 10, REST), (cell, MISSING, trials - events - 10, REST)]
    rows = [row for row in rows if row[2]]
    cell, label, count, verdict = (np.array(part) for part in zip(*rows, strict=True))
    return VerdictPatternCells(
        cell_frame(cells), CLASSES, ("judge",), cell, label, count, verdict[:, None].astype(np.int64)
    )


def test_labels_of_event_verdicts_are_counted_by_strength() -> None:
    found = count_event_labels(patterns({1.0: 3, 8.0: 20}), "injection", "strength")
    assert found == {1.0: EventLabels(100, 40, 37, 3), 8.0: EventLabels(100, 40, 20, 20)}


def test_an_arm_of_one_strength_has_no_estimates_by_strength() -> None:
    assert count_event_labels(patterns({8.0: 0}), "injection", "strength") == {}


def test_an_error_goes_unseen_where_labels_would_miss_it_one_time_in_twenty() -> None:
    assert (1 - unseen_error(7)) ** 7 == pytest.approx(MISSED_WITH)
    assert unseen_error(0) == 1.0
    assert EventLabels(100, 40, 33, 7).unseen_shift == pytest.approx(0.33 * unseen_error(7))


def test_verdicts_that_are_all_labelled_hide_no_error() -> None:
    assert EventLabels(10, 4, 0, 4).labels_wanted == 0


@pytest.mark.parametrize("called", [16, 30, 44, 80, 100])
def test_the_labels_that_are_wanted_suffice_and_one_less_does_not(called: int) -> None:
    lacking = EventLabels(100, called, called, 0).labels_wanted
    assert EventLabels(100, called, called - lacking, lacking).unseen_shift <= MOST_UNSEEN
    assert EventLabels(100, called, called - lacking + 1, lacking - 1).unseen_shift > MOST_UNSEEN
    assert EventLabels(100, called, called - lacking, lacking).labels_wanted == 0


def test_few_event_verdicts_cannot_move_a_rate_far_and_need_no_labels() -> None:
    assert EventLabels(100, 15, 15, 0).labels_wanted == 0
    assert unchecked_levels(patterns({1.0: 0, 2.0: 0}, events=10), "injection") == {}


def test_strengths_that_share_a_level_of_judge_error_share_their_labels() -> None:
    """Beyond six strengths, fifths of them are levels."""
    found = count_event_labels(patterns({float(at): 2 for at in range(1, 11)}), "injection", "strength")
    assert {each.labelled for each in found.values()} == {4}


@pytest.mark.parametrize("axis", ["strength", "layer"])
def test_the_reason_says_how_many_labels_are_needed(axis: str) -> None:
    reasons = unchecked_levels(patterns({1.0: 20, 8.0: 3}, axis=axis), "injection")
    assert list(reasons) == [(axis, 8.0)]
    said = reasons[axis, 8.0]
    assert f"at {axis} 8: judges call 40 % of its trials an event and 3 of these are labelled" in said
    assert f"label {EventLabels(100, 40, 37, 3).labels_wanted} more of them, then fit again" in said


def test_an_arm_with_few_labels_is_told() -> None:
    (said,) = arm_cautions(patterns({1.0: 1, 2.0: 1}))
    assert said.startswith(
        "Too few labels in the injection arm: judges call 40 % of its trials an event and 2 of these"
    )
    assert "the prior on judges' errors decides much of it" in said
    assert arm_cautions(patterns({1.0: 10, 2.0: 10})) == []


def prior_centre_draws(model: OutcomeModel, *_: object) -> PosteriorDraws:
    """Draws around the centre of the prior in place of a sampler's."""
    noise = np.random.default_rng(1).normal(size=(2, 8, model.parameter_count))
    return PosteriorDraws(model.prior_centre() + 0.1 * noise, 0, 0.0, 0.0)


def test_a_fit_withholds_estimates_at_such_a_strength_in_words(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The world in which judges err at high strength, without the sampler, the cut fit and the checks of a fit."""
    store_study(store, WORLDS["strong-one-random"], np.random.default_rng(3))
    monkeypatch.setattr(fit, "sample_posterior", prior_centre_draws)
    monkeypatch.setattr(fit, "cut_estimand_draws", lambda *_, **__: [])
    monkeypatch.setattr(fit, "corrected_predictive_check", lambda *_: ())
    monkeypatch.setattr(fit, "check_convergence", lambda *_: Diagnostics(passed=True))
    monkeypatch.setattr(fit, "_design_based_estimates", lambda *_: [])
    result = fit.fit_corrected(store).result
    shown = {(row.estimand, row.by["strength"]) for row in result.estimands if "strength" in row.by}
    assert {at for name, at in shown if name != REFUSAL} == {1.0, 2.0, 4.0}
    assert (REFUSAL, 8.0) in shown
    assert {corrected_name(NET_RAW), "identification"} <= {row.estimand for row in result.overall_estimates}
    lines = [row for row in result.refused if row.by]
    assert {(row.subject, *row.by.items()) for row in lines} == {(name, ("strength", 8.0)) for name in "ab"}
    (said,) = (note.text for note in withheld_notices(result.refused) if "strength 8" in note.text)
    assert "corrected net detection at strength 8" in said
    assert "too few labels at strength 8" in said
    assert not result.comparisons.best
    assert {row.subject for row in result.refused if row.estimand == BEST_CELL} == {"a", "b"}
