"""Panel posterior by arm under independent and dependent judge errors, with a dependence test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from gnomon.calibration.error_rates.confusion import LabelledEvidence, collect_evidence
from gnomon.calibration.error_rates.dependence import evidence_dependence
from gnomon.calibration.labels.views import rater_labels, reference_labels_of
from gnomon.calibration.numerics.mcmc import summarize_draws
from gnomon.calibration.posterior.judge_panel import Errors, PanelPosterior, panel_posterior
from gnomon.calibration.posterior.verdict_patterns import ArmPatterns, PanelReading, arms_of, panel_reading
from gnomon.calibration.queue.sample_size import NET, PlanTarget
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import IntervalEstimate
from gnomon.data.storage.store import Store

FITS: tuple[Errors, ...] = ("independent", "free")
SIGNIFICANT = 0.05


def summarize_panel(
    store: Store,
    view: str,
    *,
    judges: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """The joint posterior of all judges in each arm, under independent and dependent errors; the corrected net
    detection; and pairwise error dependence.

    Estimand: the share of events in each arm among the trials that any of the judges read, and the raw net detection
    corrected for the judges' errors (identified in injection minus not denied in control). `independent` takes judges
    to err independently given the truth, `free` allows dependent errors (`posterior.judge_panel`); labels may have been
    chosen by the verdicts. It pools over subjects and conditions in their proportions among the judged trials.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : str
        Label view (`gnomon.calibration.labels.views`).
    judges : sequence of str, optional
        As for `gnomon.calibration.posterior.verdict_patterns.panel_reading`.
    splits : sequence of str, optional
        As for `panel_reading`.
    seed : int, default 0
        Seed of the samplers.

    Returns
    -------
    dict of str to object
        judges (names), arms [{arm, trials, labels, independent, free, reason}], net_detection_corrected {independent,
        free, reason}, dependence {labelled, unlabelled, notes} as of `error_rates.dependence`, and verdict in words. An
        estimate is None where `reason` says why.
    """
    try:
        heard = panel_reading(store, judges=judges, splits=splits)
    except NotEnoughDataError as reason:
        return empty_panel(str(reason))
    found = dict(zip(heard.versions, collect_evidence(store, heard.versions, view, splits=splits), strict=True))
    return of_panel(heard, reference_labels_of(rater_labels(store, view)), found, seed=seed)


def empty_panel(reason: str) -> dict[str, Any]:
    """The result of `summarize_panel` if no judge has read anything."""
    return {"judges": [], "arms": [], NET: _no_estimate(reason), "dependence": _unknown_dependence(), "verdict": ""}


def of_panel(
    heard: PanelReading, labels: pd.DataFrame, found: Mapping[str, LabelledEvidence], *, seed: int = 0
) -> dict[str, Any]:
    """The result of `summarize_panel` from verdicts and labels that were already read.

    Parameters
    ----------
    heard : PanelReading
        Verdicts of the panel.
    labels : pandas.DataFrame
        Reference labels of one view.
    found : mapping of str to LabelledEvidence
        Each judge version's verdicts and labels.
    seed : int, default 0
        Seed of the samplers.
    """
    dependence = _dependence_document(dict(zip(heard.versions, heard.names, strict=True)), found)
    return {
        "judges": list(heard.names),
        "arms": [_arm_row(arm, seed) for arm in arms_of(heard, labels).values()],
        NET: _net_detection(arms_of(heard, labels, "not_denied"), seed),
        "dependence": dependence,
        "verdict": _dependence_sentence(heard.names, dependence["labelled"]),
    }


def _arm_row(arm: ArmPatterns, seed: int) -> dict[str, Any]:
    fits, reason = _arm_fits(arm, seed)
    trials = int(arm.counts.unlabelled.sum()) + arm.counts.label_counts
    figures = {str(errors): fits[errors].posterior_estimate() if errors in fits else None for errors in FITS}
    return {"arm": arm.arm, "trials": trials, "labels": arm.counts.label_counts, **figures, "reason": reason}


def _arm_fits(arm: ArmPatterns, seed: int) -> tuple[dict[Errors, PanelPosterior], str | None]:
    """Posteriors by kind of fit, and the reason why one is missing."""
    told = arm.counts.labelled.sum(axis=0)
    if not told.all():
        why = f"{arm.arm}: {told[1]} labelled events and {told[0]} labelled non-events: both kinds are needed"
        return {}, why
    kinds = FITS if len(arm.judges) > 1 else FITS[:1]
    found: dict[Errors, PanelPosterior] = {}
    reason = None if len(kinds) > 1 else f"{arm.arm}: one judge cannot err together with another"
    for errors in kinds:
        try:
            found[errors] = panel_posterior(arm.counts, errors=errors, seed=seed)
        except NotEnoughDataError as error:
            reason = str(error)
    return found, reason


def _net_detection(arms: Mapping[str, ArmPatterns], seed: int) -> dict[str, Any]:
    target = PlanTarget.from_name(NET)
    if missing := [name for name in target.signs if name not in arms]:
        return _no_estimate(f"{missing[0]}: no judge has read a transcript there")
    fits = {name: _arm_fits(arms[name], seed + place) for place, name in enumerate(target.signs)}
    reason = next((why for _, why in fits.values() if why), None)
    figures: dict[str, IntervalEstimate | None] = {}
    for errors in FITS:
        whole = all(errors in found for found, _ in fits.values())
        posteriors = {name: found[errors] for name, (found, _) in fits.items()} if whole else {}
        figures[errors] = summarize_draws(target.posterior_draws(posteriors)) if whole else None
    return {**figures, "reason": reason}


def _no_estimate(reason: str) -> dict[str, Any]:
    return {**dict.fromkeys(FITS), "reason": reason}


def _unknown_dependence() -> dict[str, Any]:
    return {"labelled": [], "unlabelled": [], "notes": []}


def _dependence_document(names: Mapping[str, str], evidence_of: Mapping[str, LabelledEvidence]) -> dict[str, Any]:
    if len(names) < 2:
        return _unknown_dependence()
    found = evidence_dependence({version: evidence_of[version] for version in names})
    labelled, unlabelled = (
        [{**asdict(pair), "a": names[str(pair.a)], "b": names[str(pair.b)]} for pair in pairs]
        for pairs in (found.labelled, found.unlabelled)
    )
    return {"labelled": labelled, "unlabelled": unlabelled, "notes": list(found.notes)}


def _dependence_sentence(names: Sequence[str], pairs: Sequence[Mapping[str, Any]]) -> str:
    """A sentence that says which of the two fits to use."""
    if len(names) < 2:
        return ""
    overall = [pair for pair in pairs if pair["truth"] is None]
    if not overall:
        return "whether these judges err together is not known: no transcript that two of them read is labelled"
    if any(pair["p_value"] < SIGNIFICANT and pair["both_wrong"] > pair["expected"] for pair in overall):
        return (
            "judge errors are correlated, so estimates that assume independent errors are too precise: use "
            "independently are too sure: read those that do not"
        )
    return (
        "no sign of correlated judge errors, but with few labels this test has low power; report both "
        "allow for it beside the others"
    )
