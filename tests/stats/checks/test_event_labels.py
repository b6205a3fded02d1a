"""At a strength whose labels cannot show how often judges err there, the prior decides: the estimate is withheld."""

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
    event_labels_by_strength,
    strengths_without_labels,
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


def patterns(labelled: dict[float, int], events: int = 40, trials: int = 100) -> VerdictPatternCells:
    """One judge that calls `events` of `trials` an event at each strength, of which some are labelled."""
    cells = [{"arm": "injection", "strength": strength, "concept": "x"} for strength in labelled]
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
    found = event_labels_by_strength(patterns({1.0: 3, 8.0: 20}), "injection")
    assert found == {1.0: EventLabels(0.4, 3), 8.0: EventLabels(0.4, 20)}


def test_an_arm_of_one_strength_has_no_estimates_by_strength() -> None:
    assert event_labels_by_strength(patterns({8.0: 0}), "injection") == {}


def test_an_error_goes_unseen_where_labels_would_miss_it_one_time_in_twenty() -> None:
    found = EventLabels(0.4, 7)
    assert (1 - found.unseen_error) ** 7 == pytest.approx(MISSED_WITH)
    assert found.unseen_shift == pytest.approx(0.4 * found.unseen_error)
    assert EventLabels(0.4, 0).unseen_shift == 0.4


@pytest.mark.parametrize("share", [0.16, 0.3, 0.44, 0.8, 1.0])
def test_the_labels_that_are_wanted_suffice_and_one_less_does_not(share: float) -> None:
    lacking = EventLabels(share, 0).labels_wanted
    assert EventLabels(share, lacking).unseen_shift <= MOST_UNSEEN < EventLabels(share, lacking - 1).unseen_shift
    assert EventLabels(share, lacking).labels_wanted == 0


def test_few_event_verdicts_cannot_move_a_rate_far_and_need_no_labels() -> None:
    assert EventLabels(0.15, 0).labels_wanted == 0
    assert strengths_without_labels(patterns({1.0: 0, 2.0: 0}, events=10), "injection") == {}


def test_strengths_that_share_a_level_of_judge_error_share_their_labels() -> None:
    """Beyond six strengths, fifths of them are levels."""
    found = event_labels_by_strength(patterns({float(at): 2 for at in range(1, 11)}), "injection")
    assert {each.labelled for each in found.values()} == {4}


def test_the_reason_says_how_many_labels_are_needed() -> None:
    reasons = strengths_without_labels(patterns({1.0: 20, 8.0: 3}), "injection")
    assert list(reasons) == [8.0]
    assert "at strength 8: judges call 40 % of its trials an event and 3 of these are labelled" in reasons[8.0]
    wanted = EventLabels(0.4, 3).labels_wanted
    assert f"label {wanted} more of them, then fit again" in reasons[8.0]


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
