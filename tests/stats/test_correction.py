"""Correction gives the truth back where judges err differently by arm, and refuses where it cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from word_salad import DETECTION, STRENGTHS, word_salad

from gnomon.data.storage.store import Store
from gnomon.stats import fit
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED, REST
from gnomon.stats.checks.simulation import SimulatedStudy, cell_frame, even_error_confusion, simulate_study
from gnomon.stats.estimands.result import ModelPosterior, build_result
from gnomon.stats.fit import FitRequest
from gnomon.stats.inference.hierarchical import corrected_model, judged_model
from gnomon.stats.inference.sampler import SamplerSettings, sample_posterior
from gnomon.stats.model import judge_confusion
from gnomon.stats.model.judge_confusion import MOST_UNLABELLED, PER_LABEL, ExternalCalibration, unlabelled_weight
from gnomon.stats.model.priors import Priors
from gnomon.stats.results import EstimateRow, StoredFit

CLASSES = (REFUSED, EVENT, REST)
BRIEF = SamplerSettings(draws=600, tune=400)


def confused(sensitivity: float, specificity: float) -> np.ndarray:
    """A judge that never mistakes refusals and errs between event and rest."""
    table = np.eye(3)
    table[1, 1:] = sensitivity, 1 - sensitivity
    table[2, 1:] = 1 - specificity, specificity
    return table


def two_arms() -> pd.DataFrame:
    rows = [{"arm": "injection", "concept": word, "strength": 2.0} for word in ("fear", "joy", "ocean", "silence")]
    return cell_frame([{"arm": "control"}, *rows])


def study(
    confusion: dict[str, np.ndarray], labelled: tuple[float, float], seed: int, rate: float = 0.2
) -> SimulatedStudy:
    """The same event rate in both arms: the true net detection among engaged trials is 0."""
    frame = two_arms()
    chance = np.tile([0.1, 0.9 * rate, 0.9 * (1 - rate)], (len(frame), 1))
    n = np.where(frame["arm"] == "control", 400, 100)
    return simulate_study(frame, n, CLASSES, chance, confusion, labelled, np.random.default_rng(seed))


def really(study: SimulatedStudy) -> float:
    """What happened in the trials of a study, judges apart."""
    control, injected = study.truth.counts[0], study.truth.counts[1:].sum(axis=0)
    return float(injected[1] / injected[1:].sum() - control[1] / control[1:].sum())


def net_engaged(study: SimulatedStudy, *, corrected: bool) -> EstimateRow:
    if corrected:
        model, counts, view = corrected_model(study.patterns, Priors()), None, "corrected"
    else:
        model, counts, view = judged_model(study.judged, Priors()), study.judged.counts, "judged"
    draws = sample_posterior(model, BRIEF, 1)
    result = build_result(
        ModelPosterior(model, draws.flat_values, study.patterns.trial_counts, counts, view, None, "")
    ).content
    name = "net_detection_engaged_corrected" if corrected else "net_detection_engaged"
    (found,) = [row for row in result.estimands if row.estimand == name and not row.by]
    return found


def test_an_effect_that_only_the_judge_makes_is_taken_out() -> None:
    """False positives 2 % in the control and 20 % under injection look like 15 points of detection."""
    confusion = {"control": confused(0.9, 0.98)[None], "injection": confused(0.9, 0.80)[None]}
    made = study(confusion, (0.25, 0.25), seed=1)
    judged, corrected = (net_engaged(made, corrected=flag) for flag in (False, True))
    assert judged.low95 > 0.02, "taken at its word the judge reports an effect that does not exist"
    assert corrected.low95 < 0 < corrected.high95
    assert abs(corrected.mean) < 0.06
    assert corrected.sd > judged.sd, "the uncertainty of the judge is kept in"


def test_word_salad_that_fools_judges_at_high_strength_is_no_detection() -> None:
    """Judges that err 1 % at the lowest strength and 30 % at the highest: verdicts alone say .45 there, it is .25."""
    patterns = word_salad(1, 100, disputed=False)
    model = corrected_model(patterns, Priors())
    draws = sample_posterior(model, replace(BRIEF, draws=400, tune=300, chains=2), 1)
    result = build_result(
        ModelPosterior(model, draws.flat_values, patterns.trial_counts, None, "corrected", None, "")
    ).content
    found = {row.by.get("strength"): row for row in result.estimands if row.estimand == "identification"}
    for strength, rate in [(None, float(np.mean(DETECTION))), *zip(STRENGTHS, DETECTION, strict=True)]:
        assert found[strength].low95 - 0.01 < rate < found[strength].high95 + 0.01


@pytest.mark.slow
def test_labels_chosen_because_judges_disagree_do_not_bias() -> None:
    """Nearly all disputed trials labelled, few of the others: sensitivity from those labels alone is far off."""
    pair = np.stack([confused(0.9, 0.85), confused(0.8, 0.9)])
    missed = []
    for seed in range(3):
        made = study({"control": pair, "injection": pair}, (0.05, 0.9), seed)
        found = net_engaged(made, corrected=True)
        missed.append(found.mean - really(made))
        assert found.low95 < really(made) < found.high95
    assert abs(np.mean(missed)) < 0.02
    known = made.patterns.label >= 0
    label, said = made.patterns.label[known], made.patterns.verdict[known, 0]
    events = made.patterns.count[known][label == 1]
    naive = events[said[label == 1] == 1].sum() / events.sum()
    assert naive < 0.85, "the labels are a skewed sample of what the judge does"


@pytest.mark.slow
def test_disputed_labels_say_more_than_as_many_random_ones() -> None:
    pair = np.stack([confused(0.9, 0.85), confused(0.8, 0.9)])
    confusion = {"control": pair, "injection": pair}
    chosen, random = study(confusion, (0.03, 0.45), seed=5), study(confusion, (0.145, 0.145), seed=5)
    labels = [int(made.patterns.labelled_by_arm().sum()) for made in (chosen, random)]
    assert labels[0] < 1.1 * labels[1]
    widths = [one.high95 - one.low95 for one in (net_engaged(made, corrected=True) for made in (chosen, random))]
    assert widths[0] < widths[1]


def test_judges_that_copy_each_other_are_not_two_witnesses() -> None:
    """The second judge repeats the first: beside labels it adds nothing, and must not narrow the interval."""
    alone = study({"control": confused(0.8, 0.85)[None], "injection": confused(0.8, 0.85)[None]}, (0.2, 0.2), seed=3)
    both = np.repeat(alone.patterns.verdict, 2, axis=1)
    copied = replace(alone.patterns, judges=("judge", "its echo"), verdict=both)
    twice = replace(alone, patterns=copied)
    one, two = net_engaged(alone, corrected=True), net_engaged(twice, corrected=True)
    assert two.sd > 0.8 * one.sd
    assert two.low95 < 0 < two.high95


def test_a_judge_without_information_is_refused(store: Store) -> None:
    guess = np.tile([0.0, 0.3, 0.7], (3, 1))
    made = study({"control": guess[None], "injection": confused(0.9, 0.9)[None]}, (0.3, 0.3), seed=2)
    row = run(store, made)
    found = {entry.estimand: entry.reason for entry in row.result.refused}
    for name in ("net_detection_corrected", "net_detection_engaged_corrected", "false_alarm"):
        assert "no judge carries information in the control arm" in found[name]
    kept = {entry.estimand for entry in row.result.estimands}
    assert "identification" in kept, "the injection arm has a judge that works"
    assert not kept & {"net_detection_corrected", "false_alarm"}
    youden = {(one.arm, one.question): one for one in row.result.judges}
    assert youden["control", "event"].low95 < 0 < youden["control", "event"].high95 < 0.4
    assert youden["injection", "event"].low95 > 0.4


def test_youden_is_recovered_by_arm(store: Store) -> None:
    confusion = {"control": confused(0.9, 0.95)[None], "injection": confused(0.7, 0.85)[None]}
    row = run(store, study(confusion, (0.6, 0.6), seed=4, rate=0.4))
    youden = {(one.arm, one.question): one for one in row.result.judges}
    assert youden["control", "event"].low95 < 0.85 < youden["control", "event"].high95 + 0.03
    assert youden["injection", "event"].low95 < 0.56 < youden["injection", "event"].high95


def run(store: Store, made: SimulatedStudy) -> StoredFit:
    plan = FitRequest("corrected", "corrected", "judge 1", made.patterns.content_hash(), Priors(), BRIEF, 1)
    row = fit._fit_patterns(store, plan, made.patterns, "blind", None)
    assert row.status == "passed", row.diagnostics
    return row


@pytest.mark.simulation
@pytest.mark.parametrize("corrected", [False, True])
def test_intervals_hold_the_truth_as_often_as_they_say(corrected: bool) -> None:
    """Small studies drawn anew: at most 4 misses in 30, which a true 95 % keeps to 98 times in 100."""
    rng = np.random.default_rng(11)
    frame = cell_frame([{"arm": "control"}, {"arm": "injection", "concept": "ocean", "strength": 2.0}])
    shares = {"control": 0.9, "injection": 0.8} if corrected else {"control": 1.0, "injection": 1.0}
    right = {arm: even_error_confusion(3, share)[None] for arm, share in shares.items()}
    held = 0
    for seed in range(30):
        chance = np.stack([rng.dirichlet([1.5, 2, 6]), rng.dirichlet([1.5, 4, 4])])
        made = simulate_study(frame, np.array([120, 120]), CLASSES, chance, right, (0.4, 0.4), rng)
        model = corrected_model(made.patterns, Priors()) if corrected else judged_model(made.judged, Priors())
        draws = sample_posterior(model, SamplerSettings(draws=250, tune=150, chains=2), seed)
        counts = None if corrected else made.judged.counts
        content = build_result(
            ModelPosterior(model, draws.flat_values, made.patterns.trial_counts, counts, "judged", None, "")
        ).content
        (found,) = [row for row in content.estimands if row.estimand == "net_detection_raw" and not row.by]
        truth = chance[1, 1] - (1 - chance[0, 2])
        held += found.low95 <= truth <= found.high95
    assert held >= 26


def elsewhere(confusion: dict[str, np.ndarray], n: int) -> list[ExternalCalibration]:
    """What the judges said of another study's transcripts, most of which are events."""
    mix = {REFUSED: 0.1, EVENT: 0.7, REST: 0.2}
    return [
        ExternalCalibration(f"judge {judge + 1}", arm, truth, said, count)
        for arm, tables in confusion.items()
        for judge, table in enumerate(tables)
        for truth, share in mix.items()
        for said, rate in zip(CLASSES, table[CLASSES.index(truth)], strict=True)
        if (count := round(n * share * rate))
    ]


@pytest.mark.slow
def test_a_calibration_from_elsewhere_corrects_without_labels(store: Store) -> None:
    """Its errors are learnt, its mix of outcomes is not: seven in ten were events there, one in five is here."""
    confusion = {"control": confused(0.9, 0.98)[None], "injection": confused(0.9, 0.80)[None]}
    made = study(confusion, (0.0, 0.0), seed=1)
    plan = FitRequest("corrected", "corrected", "judge 1", "d" * 64, Priors(), SamplerSettings(), 1)
    alone = fit._fit_patterns(store, plan, made.patterns, "blind", None)
    assert alone.status == "refused"
    known = elsewhere(confusion, 400)
    row = fit._fit_patterns(store, replace(plan, data_hash="e" * 64), made.patterns, "blind", None, known)
    assert row.status == "passed", row.diagnostics
    found = {one.estimand: one for one in row.result.estimands if not one.by}
    net = found["net_detection_engaged_corrected"]
    assert net.low95 < really(made) < net.high95
    assert abs(net.mean - really(made)) < 0.06
    assert found["identification"].high95 < 0.35
    assert "transcripts of other studies" in row.result.design


def test_few_labels_are_not_drowned_by_very_many_verdicts() -> None:
    """Unlabelled trials count in full up to a bound, which labels raise; labels always count in full.

    A labelled trial's verdicts weigh no more than those of an unlabelled one: further rows take the rest away.
    """
    judges = np.stack([even_error_confusion(3, 0.85), even_error_confusion(3, 0.8)])
    usual = study({"injection": judges, "control": judges}, (0.1, 0.4), 1).patterns
    assert unlabelled_weight(usual) == 1.0
    many = replace(usual, count=np.where(usual.label < 0, usual.count * 1000, usual.count))
    left, labels = int(many.count[many.label < 0].sum()), int(many.count[many.label >= 0].sum())
    assert unlabelled_weight(many) == max(MOST_UNLABELLED, PER_LABEL * labels) / left < 0.2
    numbers = corrected_model(many, Priors()).verdicts.number
    own, further = numbers[: len(many.label)], numbers[len(many.label) :]
    assert own[many.label < 0].sum() == pytest.approx(max(MOST_UNLABELLED, PER_LABEL * labels))
    np.testing.assert_array_equal(own[many.label >= 0], many.count[many.label >= 0])
    np.testing.assert_allclose(further, (unlabelled_weight(many) - 1) * many.count[many.label >= 0])
    unread = replace(many, label=np.full_like(many.label, -1))
    assert unlabelled_weight(unread) == MOST_UNLABELLED / unread.count.sum()


def test_a_corrected_fit_says_what_its_unlabelled_trials_counted_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    judges = np.stack([even_error_confusion(3, 0.85), even_error_confusion(3, 0.8)])
    seen = study({"injection": judges, "control": judges}, (0.1, 0.4), 1).patterns
    monkeypatch.setattr(judge_confusion, "MOST_UNLABELLED", 100)
    monkeypatch.setattr(judge_confusion, "PER_LABEL", 1)
    told: list[str] = []
    monkeypatch.setattr(fit, "_sample_and_save", lambda *given: told.append(given[3]) or {})
    monkeypatch.setattr(fit, "label_cautions", lambda *given: [])
    fit._fit_patterns(store, FitRequest("corrected", "corrected", "j", "h", Priors(), BRIEF, 1), seen, "blind", None)
    left = int(seen.count[seen.label < 0].sum())
    assert f"The {left:,} unlabelled trials count for {max(100, 800 - left)}: labels are few" in told[0]
