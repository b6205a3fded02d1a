"""Claims about the arms that came later: a negated trial counts by its claim, a mismatched one is not judged at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gnomon.calibration.audit.document import audit_study
from gnomon.calibration.observations.frames import trial_frame
from gnomon.calibration.queue.label_sampling import next_items
from gnomon.data.arms import judged_arms
from gnomon.data.outcomes import Outcome, is_event, strict_outcome
from gnomon.data.records import Arm, Facts, JudgeVersion, Label, Trial, Verdict
from gnomon.data.storage.pending_verdicts import pending_trials
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import judged_cells, pattern_cells
from gnomon.stats.model.linear_predictor import build_design
from gnomon.stats.model.priors import Priors

SAYS = Facts(True, "ocean", True, False)
DENIES = Facts(False, "none", True, False)


@pytest.fixture
def studied(store: Store, make_trial: Callable[..., Trial]) -> Store:
    store.save_settings({"judges": ["j"], "concepts": ["ocean"], "rule": "strict"})
    store.add_judge(JudgeVersion("j1", "j", "lexicon", {}))
    for arm in Arm:
        for replicate in range(8):
            trial = make_trial(arm=arm, replicate=replicate)
            if arm in judged_arms():
                facts = SAYS if replicate % 2 else DENIES
                store.add_verdicts([Verdict(trial.id, "j1", facts)])
                if replicate < 4:
                    store.add_labels([Label(trial.id, "r", SAYS if replicate == 2 else facts)])
    return store


def test_a_negated_claim_is_an_event_whatever_it_names_and_never_an_identification() -> None:
    assert strict_outcome(SAYS, Arm.NEGATED, "ocean") is Outcome.CLAIMED
    assert is_event(Outcome.CLAIMED, Arm.NEGATED)
    assert not is_event(Outcome.DENIED, Arm.NEGATED)


def test_judges_raters_and_fits_never_see_a_mismatched_trial(studied: Store) -> None:
    seen = [
        {str(trial.condition.arm) for trial, _ in pending_trials(studied, "other")},
        set(trial_frame(studied).arm),
        set(judged_cells(studied).frame.arm),
        set(pattern_cells(studied).frame.arm),
    ]
    assert seen == [{"injection", "control", "random", "negated", "sham", "shuffled", "swapped"}] * 4
    asked = {item.trial for item in next_items(studied, "new", strategy="random", n=100)}
    arms = {str(trial.condition.arm) for trial in studied.load_trials(sorted(asked))}
    assert "mismatched" not in arms


def test_a_fit_and_an_audit_take_the_negated_arm_along(studied: Store) -> None:
    cells = judged_cells(studied)
    design = build_design(cells.frame, cells.classes, Priors())
    assert "negated" in {term.name for term in design.terms}
    report = audit_study(studied)
    assert "negated" in str(report)
