"""Evidence for a correction is graded by its labels, says what it lacks, and does not turn over as J crosses 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from gnomon.calibration.audit.narrative import nonrandom_sentence
from gnomon.calibration.correction.evidence import correction_evidence, reason_not_correctable
from gnomon.calibration.correction.methods import clipped_sentence, corrected_estimates
from gnomon.calibration.error_rates.confusion import LabelledEvidence, inverse_inclusion_weights
from gnomon.calibration.error_rates.label_randomness import nonrandom_labels
from gnomon.calibration.numerics.proportions import CLIPPED
from gnomon.calibration.results.error_rates import EvidenceLevel


def labelled(
    tp: int, fn: int, fp: int, tn: int, *, stratum: str = "all", unlabelled: Sequence[int] = (0, 0)
) -> LabelledEvidence:
    """Labelled trials with these counts, and further judged trials: (judged events, judged non-events)."""
    truth = np.repeat([True, True, False, False], (tp, fn, fp, tn))
    event = np.concatenate(
        [np.repeat([True, False, True, False], (tp, fn, fp, tn)), np.repeat([True, False], unlabelled)]
    )
    judged = pd.DataFrame({"trial": [f"t{n}" for n in range(len(event))], "arm": "injection", "event": event})
    judged = judged.assign(disputed=False, said=np.where(event, "j", ""))
    pairs = judged.head(len(truth)).assign(true_event=truth, stratum=stratum, probability=1.0)
    return LabelledEvidence(judged, pairs.assign(weight=inverse_inclusion_weights(pairs, judged)))


@pytest.mark.parametrize(
    ("counts", "level"),
    [
        ((0, 0, 0, 0), "none"),
        ((5, 0, 0, 0), "none"),
        ((0, 0, 3, 60), "none"),
        ((2, 1, 5, 60), "weak"),
        ((9, 0, 2, 60), "weak"),
        ((9, 1, 2, 60), "moderate"),
        ((27, 3, 3, 27), "strong"),
        ((50, 50, 52, 48), "weak"),
        ((24, 16, 12, 28), "moderate"),
        ((3, 27, 27, 3), "inverted"),
    ],
)
def test_the_level_follows_events_and_interval(counts: tuple[int, int, int, int], level: str) -> None:
    evidence = correction_evidence("injection", labelled(*counts))
    assert evidence.level == level
    assert (evidence.positives, evidence.negatives) == (counts[0] + counts[1], counts[2] + counts[3])
    assert (evidence.reason is None) == evidence.is_sufficient


def test_one_more_label_never_turns_weak_evidence_into_a_tick() -> None:
    """As in issue A10: J falls from .28 (-.00 to .74) to .25 (.01 to .69); the level stays, whatever side of 0."""
    before, after = (correction_evidence("injection", labelled(*counts)) for counts in ((2, 3, 10, 80), (2, 3, 9, 90)))
    assert before.youden.low < 0 < after.youden.low
    assert before.level == after.level == EvidenceLevel.WEAK


def test_what_the_next_level_needs_is_said_in_labels() -> None:
    few = correction_evidence("injection", labelled(2, 0, 3, 95))
    assert few.needs == "moderate evidence needs about 8 more labelled events, or about 400 labels at random"
    wide = correction_evidence("injection", labelled(12, 8, 9, 11))
    assert wide.needs.endswith("more labels narrow J's interval enough, if J stays at 0.15")
    coin = correction_evidence("injection", labelled(50, 50, 50, 50))
    assert coin.needs == "if J stays at 0.00, no number of labels makes this judge useful: improve it"
    assert correction_evidence("injection", labelled(27, 3, 3, 27)).needs is None


def test_an_inverted_judge_is_called_inverted_and_not_a_coin() -> None:
    evidence = correction_evidence("injection", labelled(9, 28, 64, 19))
    why = reason_not_correctable(evidence)
    assert "Youden's J is −0.53 (−0.66 to −0.34): the judge is inverted" in why
    assert "coin" not in why


def test_labels_that_follow_the_verdicts_are_told_and_weighted_back() -> None:
    """50 positive and 50 negative verdicts are labelled, of 250 and 1,750: each label stands for 5 or 35 trials."""
    found = labelled(32, 1, 18, 49, unlabelled=(200, 1700))
    (told,) = nonrandom_labels(found.pairs, found.judged)
    assert (told.labelled, told.labelled_positive) == (100, 0.5)
    assert told.unlabelled_positive == pytest.approx(200 / 1900)
    weight = found.pairs.groupby("event")["weight"].first()
    assert weight.to_dict() == {False: 35.0, True: 5.0}
    evidence = correction_evidence("injection", found)
    assert evidence.effective_positives < evidence.positives
    assert evidence.youden.value == pytest.approx(160 / 195 - 90 / 1805)


def test_a_random_sample_and_a_declared_one_are_left_alone() -> None:
    random = labelled(11, 1, 2, 86, unlabelled=(240, 1660))
    assert nonrandom_labels(random.pairs, random.judged) == []
    assert set(random.pairs["weight"]) == {1.0}
    queued = labelled(32, 1, 18, 49, stratum="disputed", unlabelled=(200, 1700))
    assert nonrandom_labels(queued.pairs, queued.judged) == []
    census = labelled(32, 1, 18, 49)
    assert nonrandom_labels(census.pairs, census.judged) == []


@pytest.mark.parametrize("stratum", ["all", "by verdict"])
def test_unequal_probabilities_declare_the_choice_with_or_without_a_stratum(stratum: str) -> None:
    found = labelled(32, 1, 18, 49, stratum=stratum, unlabelled=(200, 1700))
    chance = np.where(found.pairs["event"], 50 / 250, 50 / 1750)
    declared = found.pairs.assign(probability=chance)
    assert nonrandom_labels(declared, found.judged) == []
    weight = inverse_inclusion_weights(declared, found.judged)
    assert sorted(set(weight.round(6))) == [5.0, 35.0]


def test_a_stratum_without_probabilities_declares_nothing() -> None:
    found = labelled(32, 1, 18, 49, stratum="mine", unlabelled=(200, 1700))
    assert len(nonrandom_labels(found.pairs, found.judged)) == 1
    assert set(found.pairs["weight"]) == {5.0, 35.0}


def test_the_more_arms_are_compared_the_clearer_a_choice_must_be() -> None:
    """Fisher's p is .006 in one arm: below .01 alone, above it by Holm among three arms without a choice."""
    rows = []
    for arm, labelled_events in (("injection", 23), ("control", 10), ("random", 10)):
        counts = {
            (True, True): labelled_events,
            (True, False): 40 - labelled_events,
            (False, True): 10,
            (False, False): 30,
        }
        for (known, event), n in counts.items():
            rows += [(arm, event, known)] * n
    frame = pd.DataFrame(rows, columns=["arm", "event", "known"])
    frame = frame.assign(trial=[f"t{n}" for n in range(len(frame))], stratum="all", probability=1.0)
    one = frame[frame["arm"] == "injection"]
    assert len(nonrandom_labels(one[one["known"]], one)) == 1
    assert nonrandom_labels(frame[frame["known"]], frame) == []


def test_labels_with_one_and_the_same_verdict_are_no_coin_but_half_unknown() -> None:
    found = labelled(30, 0, 20, 0, unlabelled=(50, 300))
    evidence = correction_evidence("injection", found)
    assert evidence.level == EvidenceLevel.NONE
    assert "all 50 labelled transcripts have a positive verdict" in evidence.reason
    methods = corrected_estimates("injection", found)
    assert "only transcripts with a positive verdict are labelled" in methods["labels"]
    assert "all 50 labelled transcripts have a positive verdict" in methods["lang_reiczigel"]


def test_a_perfect_judge_on_few_labels_lacks_labels_and_is_no_coin() -> None:
    why = correction_evidence("injection", labelled(2, 0, 0, 1)).reason
    assert "too few labels to tell whether the judge is better than a coin" in why


def test_an_estimate_that_was_cut_says_so() -> None:
    """No more yes in all trials (2 %) than on labelled negatives (20 %): the corrected rate is below 0."""
    found = labelled(9, 3, 8, 32, unlabelled=(0, 800))
    unweighted = LabelledEvidence(found.judged, found.pairs.assign(stratum="random", weight=1.0))
    methods = corrected_estimates("injection", unweighted)
    for name in ("rogan_gladen", "lang_reiczigel"):
        assert (methods[name].value, methods[name].method.endswith(CLIPPED)) == (0.0, True)
    told = clipped_sentence("injection", unweighted)
    assert told.startswith(
        "injection: corrected by its error rates (Rogan-Gladen, Lang-Reiczigel) the rate is -32.7 % and"
    )
    assert "on 2.0 % of all transcripts, fewer than on the labelled negatives alone (20.0 %)" in told
    assert clipped_sentence("injection", labelled(27, 3, 3, 27)) is None


def test_labels_of_disputed_trials_are_found_though_each_verdict_is_as_frequent_among_them() -> None:
    """Half of all verdicts are positive, with and without a label; but 40 of 50 labelled trials are disputed, 40 of 350
    of the others.
    """
    frame = pd.DataFrame(
        {"trial": [f"t{n}" for n in range(400)], "arm": "control", "event": [n % 2 == 0 for n in range(400)]}
    )
    judged = frame.assign(disputed=[n < 40 or 50 <= n < 90 for n in range(400)], said=[f"j{n % 2}" for n in range(400)])
    labels = judged.head(50).assign(stratum="all", probability=1.0)
    (told,) = nonrandom_labels(labels, judged)
    assert (told.by, told.labelled_positive) == ("dispute", 0.8)
    assert "80 % of the 50 labelled trials are disputed between judges, 11.4 % of the 350 others" in nonrandom_sentence(
        told
    )


def test_another_arms_probability_declares_nothing_and_each_arm_is_weighted_by_itself() -> None:
    """Labels of the injection arm follow the verdicts; those of the control arm are a random half of it."""
    chosen = labelled(32, 1, 18, 49, unlabelled=(200, 1700))
    plain = labelled(10, 0, 0, 40, unlabelled=(10, 40))
    judged = pd.concat([chosen.judged, plain.judged.assign(arm="control", trial=[f"c{n}" for n in range(100)])])
    pairs = pd.concat(
        [chosen.pairs, plain.pairs.assign(arm="control", trial=[f"c{n}" for n in range(50)], probability=0.5)]
    ).reset_index(drop=True)
    assert [each.arm for each in nonrandom_labels(pairs, judged)] == ["injection"]
    weight = inverse_inclusion_weights(pairs, judged)
    assert weight.groupby([pairs["arm"], pairs["event"]]).first().to_dict() == {
        ("control", False): 2.0,
        ("control", True): 2.0,
        ("injection", False): 35.0,
        ("injection", True): 5.0,
    }
