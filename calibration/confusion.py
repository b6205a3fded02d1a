"""A judge's readings against the labels: counts, error rates with intervals, Youden's J by arm; corrects nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from calibration.facts import MEASURING, ok_verdicts, trial_frame, verdict_frame
from calibration.labels import rater_labels, reference
from calibration.prevalence import Count, difference, newcombe, wilson
from calibration.queue import AUDIT, DISPUTED, RANDOM, disputed_trials
from data.outcomes import Outcome
from data.records import Arm, Estimate
from data.store import Store

Reading = Literal["event", "passed"]
CLASSES = ("refused", "event", "incoherent", "rest")
ALIKE = {"all", RANDOM, AUDIT}
JUDGED = ("trial", "subject", "arm", "target", "split", "disputed", "outcome", "event", "passed")


@dataclass(frozen=True, slots=True)
class Confusion:
    """A judge's hits and misses on labelled trials.

    tp, fp, fn and tn are plain counts. `positives` and `negatives` are (right, all) among true positives and
    negatives, in effective numbers of trials where labels are weighted, and are what the intervals come from.
    An estimate is None where there is no trial to count.
    """

    tp: int
    fp: int
    fn: int
    tn: int
    positives: Count
    negatives: Count
    sensitivity: Estimate | None
    specificity: Estimate | None
    accuracy: Estimate | None
    youden: Estimate | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a judge is measured by: `judged` trials of the splits in use, and the labelled `pairs` among them."""

    judged: pd.DataFrame
    pairs: pd.DataFrame


def evidence(store: Store, versions: Sequence[str], view: str, *, splits: Sequence[str] = MEASURING) -> list[Evidence]:
    """For each judge version, what it said of all trials, and beside the label of those that have one in a view.

    Trials of the train split are left out unless `splits` names it: a judge may have learnt from them.

    Parameters
    ----------
    store : Store
    versions : sequence of str
        Judge versions.
    view : str
        Label view (`calibration.labels`).
    splits : sequence of str
        Splits to measure on.

    Returns
    -------
    list of Evidence
        `judged`, one row a trial with an ok verdict: trial, subject, arm, target, split, disputed and the
        verdict's outcome, event and passed. `pairs` adds stratum, the label's true_outcome, true_event and
        true_passed, and weight (see `weights`).
    """
    labels = reference(rater_labels(store, view))
    truth = labels[["trial", "stratum", "probability"]].assign(
        true_outcome=labels["outcome"], true_event=labels["event"], true_passed=labels["passed"]
    )
    trials, disputed = trial_frame(store), disputed_trials(store)
    asked = trials[trials["split"].isin([str(split) for split in splits])]
    found = []
    for version in versions:
        verdicts = ok_verdicts(store, [version], asked)
        judged = verdicts.assign(disputed=verdicts["trial"].isin(disputed))[list(JUDGED)]
        both = judged.merge(truth, on="trial").sort_values("trial").reset_index(drop=True)
        found.append(Evidence(judged, both.assign(weight=weights(both, judged))))
    return found


def weights(labelled: pd.DataFrame, judged: pd.DataFrame) -> pd.Series[float]:
    """How many judged trials each labelled one stands for, on a scale of its own.

    Labels chosen because judges dispute a transcript are no random sample. Where there are such labels, each
    stands for judged / labelled of the trials of its arm that are disputed as it is: that is its realised
    inclusion probability over all calls to the queue, and leaves P(truth | verdicts), which the choice does not
    touch, as it is. Else labels of a random sample or a census weigh 1, and those of any other stratum the
    inverse of their recorded inclusion probability.
    """
    if not (labelled["stratum"] == DISPUTED).any():
        alike = labelled["stratum"].isin(ALIKE)
        return (1 / labelled["probability"]).where(~alike, 1.0)
    kind = ["arm", "disputed"]
    there = judged.groupby(kind).size()
    seen = labelled.groupby(kind).size()
    ratio = there.reindex(seen.index) / seen
    index = pd.MultiIndex.from_frame(labelled[kind])
    return pd.Series(ratio.reindex(index).to_numpy(dtype=float), index=labelled.index)


def confusion(rows: pd.DataFrame, reading: Reading = "event", *, confidence: float = 0.95) -> Confusion:
    """Counts and error rates of a judge on pairs, for the event or for the study's pass.

    Estimands: sensitivity P(judge says it | it is so), specificity P(judge denies it | it is not so), accuracy,
    and Youden's J = sensitivity + specificity - 1, for trials like the labelled ones. Assumes that labels are
    the truth. Intervals: Wilson's for the shares, Newcombe's for J (a difference of independent shares). With
    weights, shares are weighted and intervals use Kish's effective number of trials (sum w)^2 / sum w^2.
    """
    truth = rows[f"true_{reading}"].to_numpy(dtype=bool)
    said = rows[reading].to_numpy(dtype=bool)
    weight = rows["weight"].to_numpy(dtype=float)
    positives, negatives = _right(said, truth, weight), _right(~said, ~truth, weight)
    every = _right(said == truth, np.ones_like(truth), weight)
    known = positives[1] > 0 and negatives[1] > 0
    wrong = (negatives[1] - negatives[0], negatives[1])
    return Confusion(
        tp=int((said & truth).sum()),
        fp=int((said & ~truth).sum()),
        fn=int((~said & truth).sum()),
        tn=int((~said & ~truth).sum()),
        positives=positives,
        negatives=negatives,
        sensitivity=wilson(*positives, confidence=confidence) if positives[1] else None,
        specificity=wilson(*negatives, confidence=confidence) if negatives[1] else None,
        accuracy=wilson(*every, confidence=confidence) if every[1] else None,
        youden=newcombe(*positives, *wrong, confidence=confidence) if known else None,
    )


def _right(right: np.ndarray, among: np.ndarray, weight: np.ndarray) -> Count:
    """Effective (right, all) of the trials in `among`."""
    inside = weight[among]
    if not len(inside):
        return 0.0, 0.0
    effective = float(inside.sum() ** 2 / (inside**2).sum())
    return float(inside[right[among]].sum() / inside.sum()) * effective, effective


def by_arm(rows: pd.DataFrame, reading: Reading = "event") -> dict[str, Confusion]:
    """Confusion of each arm that has labelled trials, in the order of the arms."""
    return {str(arm): confusion(rows[rows["arm"] == arm], reading) for arm in Arm if (rows["arm"] == arm).any()}


def by_concept(rows: pd.DataFrame, reading: Reading = "event") -> dict[tuple[str, str], Confusion]:
    """Confusion of each (arm, injected concept) that has labelled trials."""
    groups = rows.dropna(subset=["target"]).groupby(["arm", "target"], sort=True)
    return {(str(arm), str(concept)): confusion(part, reading) for (arm, concept), part in groups}


def youden_differences(arms: dict[str, Confusion]) -> dict[tuple[str, str], Estimate]:
    """Difference of Youden's J between each two arms that have one; arms are independent samples."""
    known = [(arm, each.youden) for arm, each in arms.items() if each.youden is not None]
    return {
        (one, other): difference(first, second)
        for place, (one, first) in enumerate(known)
        for other, second in known[place + 1 :]
    }


def outcome_class(outcome: pd.Series[str], event: pd.Series[bool]) -> pd.Series[str]:
    """Refused, event, incoherent or rest: the classes that the statistics count."""
    plain = outcome.where(outcome.isin([Outcome.REFUSED, Outcome.INCOHERENT]), "rest")
    return plain.mask(event, "event")


def class_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Outcome class by label and by verdict in each arm.

    Returns
    -------
    DataFrame
        arm, truth, verdict, n (trials), of (labelled trials with that truth in that arm), share, low, high
        (weighted share n / of with Wilson's 95 % interval); every pair of classes of every arm whose truth occurs.
    """
    truth = outcome_class(rows["true_outcome"], rows["true_event"])
    verdict = outcome_class(rows["outcome"], rows["event"])
    table = []
    for arm in (arm for arm in Arm if (rows["arm"] == arm).any()):
        for true in CLASSES:
            here = ((rows["arm"] == arm) & (truth == true)).to_numpy()
            for said in CLASSES if here.any() else ():
                share = wilson(*_right((verdict == said).to_numpy(), here, rows["weight"].to_numpy(dtype=float)))
                n = int((here & (verdict == said).to_numpy()).sum())
                table.append((str(arm), true, said, n, int(here.sum()), share.value, share.low, share.high))
    return pd.DataFrame(table, columns=["arm", "truth", "verdict", "n", "of", "share", "low", "high"])


def verdict_states(store: Store, versions: Sequence[str]) -> pd.DataFrame:
    """How the calls of each judge version ended: judge (version), state, n, share of the version's calls."""
    counts = verdict_frame(store, versions).groupby(["judge", "state"]).size().rename("n").reset_index()
    return counts.assign(share=counts["n"] / counts.groupby("judge")["n"].transform("sum"))
