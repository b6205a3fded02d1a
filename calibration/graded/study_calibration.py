"""The scores of a study's judge, calibrated by its labels: from a store to section `graded` of a calibration card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sqlalchemy import select

from gnomon.calibration.comparison.compared_versions import find_version, versions_with_verdicts
from gnomon.calibration.correction.evidence import only_disputed
from gnomon.calibration.error_rates.confusion import LabelledEvidence, collect_evidence
from gnomon.calibration.graded.calibration_curve import binned_shares, monotone_band
from gnomon.calibration.graded.event_scores import HALF, event_scores
from gnomon.calibration.graded.graded_mean import MIN_GRADED_LABELS, graded_mean, regression_mean
from gnomon.calibration.graded.graded_results import (
    CurveBin,
    GradedArm,
    GradedCalibration,
    GradedTransfer,
    MapPoint,
    ThresholdChoice,
)
from gnomon.calibration.graded.isotonic_map import fit_isotonic
from gnomon.calibration.graded.level_posterior import level_posterior
from gnomon.calibration.graded.map_transfer import check_transfer
from gnomon.calibration.graded.score_narrative import graded_sentences
from gnomon.calibration.graded.score_thresholds import Sample, choose_threshold
from gnomon.calibration.labels.sampling_strata import BY_VERDICT
from gnomon.calibration.observations.frames import arms_in, facts_of_rows, verdicts_with_outcomes
from gnomon.calibration.observations.measured_splits import splits_before_test
from gnomon.calibration.observations.scores import score_frame
from gnomon.data.arms import ARMS
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.foreign_documents.bounds import DocumentError
from gnomon.data.foreign_documents.json_documents import decode_json
from gnomon.data.outcomes import OutcomeRule, rule_named
from gnomon.data.records import SCORE, Arm, IntervalEstimate, Split
from gnomon.data.results import finite_estimate, finite_number
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import judges as judge_table
from gnomon.data.storage.tables import verdicts as verdict_table
from gnomon.data.study_settings import load_settings

SCORES_IN_RAW = ("logprob", "learned")
"""Kinds of local judges whose verdicts hold their probabilities in `raw` as well."""
MOST_POINTS = 200
"""Points of the map that are kept in a result."""


def graded_calibration(
    store: Store, version: str, view: str = "blind", *, margin: float | None = None
) -> GradedCalibration | None:
    """What a judge's scores are worth by the labels of one view; None where the judge gave no scores.

    Labels of the train and dev splits are used, of the dev split alone where the judge may have learnt from the train
    split; the test split is never read. Estimands: the event rate of each arm's process (`graded_mean`), its curve
    (`binned_shares`, `monotone_band`), thresholds (`choose_threshold`), and for each subject with labels whether the
    map that the others teach holds there (`check_transfer`).

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.
    view : {"blind", "first", "current"}, default "blind"
        Label view (`gnomon.calibration.labels.views`).
    margin : float, optional
        Greatest mean residual at which a map counts as holding elsewhere, said beforehand; by default that of
        `[transport] margin` in the study file. Without either, nothing is checked.
    """
    margin = load_settings(store).transport.margin if margin is None else margin
    scored = scored_trials(store, version)
    if scored.empty:
        return None
    asked = find_version(versions_with_verdicts(store), version)
    splits = splits_before_test(asked)
    found = collect_evidence(store, [version], view, splits=splits)[0]
    judged, pairs = (frame.merge(scored, on="trial") for frame in (found.judged, found.pairs))
    evidence = LabelledEvidence(judged, pairs)
    verdicts = found.judged["arm"].value_counts()
    arms = tuple(_arm_calibration(arm, evidence, int(verdicts[arm]), margin) for arm in arms_in(judged))
    part = GradedCalibration(judge=asked.judge, version=version, view=view, splits=splits, arms=arms, words=())
    return part.model_copy(update={"words": graded_sentences(part)})


def scored_trials(store: Store, version: str) -> pd.DataFrame:
    """The score of the event in each trial that a judge version scored, and in the others of such a version.

    Verdicts of the local judges that give probabilities, stored before scores were kept, are read from their raw text,
    which holds them to four places. A verdict without any score (a server may leave them out of some replies) counts by
    its own answers, as a question without a score does, so that no trial is missing; where the judge gives a single
    score, whose scale its answers do not have, such a trial has no row.

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.

    Returns
    -------
    pandas.DataFrame
        Columns trial, score, whole (whether it is the judge's single score) and stands_in (whether the verdict's own
        answers stand in for scores); no row where the version gave no score at all.
    """
    known, in_raw = _kept_scores(store, version), _judge_kind(store, version) in SCORES_IN_RAW
    if not known and not in_raw:
        none = np.zeros(0, dtype=bool)
        return pd.DataFrame({"trial": [], "score": np.zeros(0), "whole": none, "stands_in": none})
    heard = verdicts_with_outcomes(store, [version])
    if in_raw and len(known) < len(heard):
        known = {**_raw_scores(store, version), **known}
    is_whole = any(SCORE in scores for scores in known.values())
    there = heard["trial"].isin(set(known)) | (bool(known) and not is_whole)
    heard, held = heard[there], [known.get(trial, {}) for trial in heard.loc[there, "trial"]]
    rule = rule_named(load_settings(store).rule)
    values = _values_of(heard, held, rule)
    whole = np.array([SCORE in each for each in held], dtype=bool)
    stands_in = np.array([not each for each in held], dtype=bool)
    return pd.DataFrame({"trial": heard["trial"].tolist(), "score": values, "whole": whole, "stands_in": stands_in})


def _values_of(heard: pd.DataFrame, scores: Sequence[Mapping[str, float]], rule: OutcomeRule) -> np.ndarray:
    targets = [target if isinstance(target, str) else None for target in heard["target"].tolist()]
    return event_scores(scores, facts_of_rows(heard, rule.reads), heard["arm"].tolist(), targets, rule)


def _kept_scores(store: Store, version: str) -> dict[str, Mapping[str, float]]:
    frame = score_frame(store, version)
    names = [name for name in frame.columns if name != "trial"]
    values = frame[names].to_numpy(dtype=float)
    return {
        str(trial): {name: float(value) for name, value in zip(names, row, strict=True) if np.isfinite(value)}
        for trial, row in zip(frame["trial"], values, strict=True)
    }


def _raw_scores(store: Store, version: str) -> dict[str, Mapping[str, float]]:
    column = verdict_table.c
    query = select(column.trial, column.raw).where(column.judge == version, column.sample == 0)
    rows = store.read_frame(query)
    return {
        str(trial): scores for trial, raw in zip(rows["trial"], rows["raw"], strict=True) if (scores := _parse_raw(raw))
    }


def _parse_raw(raw: str) -> Mapping[str, float] | None:
    try:
        document = decode_json(raw)
    except DocumentError:
        return None
    if not isinstance(document, dict) or not all(isinstance(value, float | int) for value in document.values()):
        return None
    return {str(name): float(value) for name, value in document.items()}


def _judge_kind(store: Store, version: str) -> str:
    column = judge_table.c
    rows = store.read_frame(select(column.kind).where(column.version == version))
    return str(rows["kind"].iloc[0]) if len(rows) else ""


def _arm_calibration(arm: str, found: LabelledEvidence, verdicts: int, margin: float | None) -> GradedArm:
    judged, pairs = (frame[frame["arm"] == arm] for frame in (found.judged, found.pairs))
    sample = _sample_of(pairs)
    graded_pairs = pairs[~pairs["stands_in"]]
    scores, labels, weights = _sample_of(graded_pairs)
    estimates, reason = _arm_estimates(arm, found, judged, sample)
    graded, rounded, alone = estimates if estimates else (None, None, None)
    return GradedArm(
        arm=arm,
        reversed=bool(judged["whole"].any()) and not ARMS[Arm(arm)].counts_identified,
        scored=len(judged),
        unscored=int(judged["stands_in"].sum()),
        left_out=verdicts - len(judged),
        labelled=len(pairs),
        events=int(sample[1].sum()),
        curve=_curve_bins(scores, labels, weights),
        isotonic=_map_points(scores, labels, weights),
        estimate=finite_estimate(graded),
        rounded=finite_estimate(rounded),
        labels_only=finite_estimate(alone),
        posterior=finite_estimate(_arm_posterior(judged, pairs)) if reason is None else None,
        width_ratio=_width_ratio(graded, rounded),
        reason=reason,
        threshold=_arm_threshold(graded_pairs),
        transfers=tuple(_subject_transfers(judged, pairs, margin)),
    )


def _sample_of(pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scores, labels, weights = (pairs[name].to_numpy(dtype=float) for name in ("score", "true_event", "weight"))
    return scores, labels, weights


def _arm_estimates(
    arm: str, found: LabelledEvidence, judged: pd.DataFrame, sample: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[tuple[IntervalEstimate, IntervalEstimate, IntervalEstimate] | None, str | None]:
    """Estimates with scores, with rounded verdicts and with labels alone, or why there are none."""
    scores, labels, weights = sample
    if len(labels) < MIN_GRADED_LABELS or len(np.unique(labels)) < 2:
        return None, f"{arm}: {len(labels)} labels with a score: {MIN_GRADED_LABELS} are needed, of events and others"
    if only_disputed(arm, found):
        return None, f"{arm}: only disputed transcripts are labelled, which are no sample of all"
    pairs = found.pairs[found.pairs["arm"] == arm]
    said, every = pairs["event"].to_numpy(dtype=float), judged["event"].to_numpy(dtype=float)
    try:
        graded = graded_mean(labels, scores, judged["score"], weights, superpopulation=True)
        rounded = regression_mean(labels, said, every, weights, superpopulation=True)
        alone = regression_mean(labels, said, every, weights, 0.0, superpopulation=True)
    except NotEnoughDataError as why:
        return None, f"{arm}: {why}"
    return (graded, rounded, alone), None


def _arm_posterior(judged: pd.DataFrame, pairs: pd.DataFrame) -> IntervalEstimate | None:
    """The posterior with scores as levels, which takes labels for a random sample of the arm."""
    if pairs["weight"].nunique() > 1 or pairs["stratum"].isin(BY_VERDICT).any():
        return None
    rest = judged.loc[~judged["trial"].isin(set(pairs["trial"])), "score"]
    return level_posterior(pairs["true_event"], pairs["score"], rest)


def _curve_bins(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[CurveBin, ...]:
    if not len(scores):
        return ()
    found = binned_shares(scores, labels, weights)
    return tuple(
        CurveBin(
            start=each.start,
            end=each.end,
            score=each.score,
            labelled=each.labelled,
            effective=each.effective,
            share=share,
        )
        for each in found
        if (share := finite_estimate(each.share)) is not None
    )


def _map_points(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[MapPoint, ...]:
    if not len(scores):
        return ()
    learnt, band = fit_isotonic(scores, labels, weights), monotone_band(scores, labels, weights)
    kept = np.unique(np.linspace(0, len(learnt.scores) - 1, MOST_POINTS).round().astype(int))
    rows = zip(learnt.scores[kept], learnt.values[kept], band.low[kept], band.high[kept], strict=True)
    return tuple(
        MapPoint(score=float(score), value=float(value), low=finite_number(low), high=finite_number(high))
        for score, value, low, high in rows
    )


def _width_ratio(graded: IntervalEstimate | None, rounded: IntervalEstimate | None) -> float | None:
    if graded is None or rounded is None or rounded.high <= rounded.low:
        return None
    return (graded.high - graded.low) / (rounded.high - rounded.low)


def _arm_threshold(pairs: pd.DataFrame) -> ThresholdChoice | None:
    train, dev = (_sample_of(pairs[pairs["split"] == str(split)]) for split in (Split.TRAIN, Split.DEV))
    usual = None if pairs["whole"].any() else HALF
    try:
        return choose_threshold(train, dev, usual=usual)
    except NotEnoughDataError:
        return None


def _subject_transfers(judged: pd.DataFrame, pairs: pd.DataFrame, margin: float | None) -> list[GradedTransfer]:
    """Each subject of an arm, on the map that the labels of all its other subjects teach."""
    found = []
    for subject in sorted(judged["subject"].unique()):
        here = pairs["subject"] == subject
        taught: Sample = _sample_of(pairs[~here])
        if here.all() or not len(pairs):
            continue
        pool = judged.loc[judged["subject"] == subject, "score"].to_numpy(dtype=float)
        slice_here = _sample_of(pairs[here])
        found.append(
            check_transfer(taught, pool, slice_here, margin, source="the other models", target=f"model {subject}")
        )
    return found
