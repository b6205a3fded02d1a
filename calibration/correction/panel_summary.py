"""Panel posterior by arm under independent and dependent judge errors, with a dependence test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from gnomon.calibration.error_rates.confusion import LabelledEvidence, collect_evidence
from gnomon.calibration.error_rates.dependence import EventPatterns, evidence_dependence
from gnomon.calibration.labels.views import true_labels
from gnomon.calibration.numerics.mcmc import summarize_draws
from gnomon.calibration.posterior.judge_panel import Errors, PanelPosterior, panel_posterior
from gnomon.calibration.posterior.plan_target import NET, PlanTarget
from gnomon.calibration.posterior.verdict_patterns import ArmVerdicts, PanelReading, PanelTable, panel_reading
from gnomon.calibration.results.panel import (
    DependenceSummary,
    LabelledDependence,
    OddsRatio,
    PanelArm,
    PanelEstimate,
    PanelSummary,
    UnlabelledDependence,
)
from gnomon.data.errors import MissingPackageError, NotEnoughDataError
from gnomon.data.records import Arm
from gnomon.data.results import Estimate, finite_estimate, finite_number
from gnomon.data.storage.store import Store

FITS: tuple[Errors, ...] = ("independent", "free")
SIGNIFICANT = 0.05
TARGET = PlanTarget.from_name(NET)


def summarize_panel(
    store: Store,
    view: str,
    *,
    judges: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    seed: int = 0,
) -> PanelSummary:
    """The joint posterior of all judges in each arm, under independent and dependent errors; the audit's net
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
    PanelSummary
        An estimate is None where its `reason` says why.
    """
    try:
        heard = panel_reading(store, judges=judges, splits=splits)
    except NotEnoughDataError as reason:
        return empty_panel(str(reason))
    found = dict(zip(heard.versions, collect_evidence(store, heard.versions, view, splits=splits), strict=True))
    return of_panel(heard, true_labels(store, view), found, seed=seed)


def empty_panel(reason: str) -> PanelSummary:
    """The result of `summarize_panel` if no judge has read anything."""
    return PanelSummary(
        judges=(), arms=(), net_detection_audit=_no_estimate(reason), dependence=DependenceSummary(), verdict=""
    )


def of_panel(
    heard: PanelReading | PanelTable,
    labels: pd.DataFrame,
    found: Mapping[str, LabelledEvidence],
    *,
    said: EventPatterns | None = None,
    seed: int = 0,
) -> PanelSummary:
    """The result of `summarize_panel` from verdicts and labels that were already read.

    Parameters
    ----------
    heard : PanelReading or PanelTable
        Verdicts of the panel.
    labels : pandas.DataFrame
        Reference labels of one view.
    found : mapping of str to LabelledEvidence
        Each judge version's verdicts and labels.
    said : EventPatterns, optional
        As for `evidence_dependence`.
    seed : int, default 0
        Seed of the samplers.
    """
    fits, events = _PanelFits(), heard.arm_counts(labels)
    dependence = _dependence_summary(dict(zip(heard.versions, heard.names, strict=True)), found, said)
    net = heard.arm_counts(labels, "not_denied")
    control = str(Arm.CONTROL)
    return PanelSummary(
        judges=heard.names,
        arms=tuple(_panel_arm(arm, seed, fits) for arm in events.values()),
        not_denied=_panel_arm(net[control], seed + list(TARGET.signs).index(control), fits) if control in net else None,
        net_detection_audit=_net_detection(net, seed, fits),
        dependence=dependence,
        verdict=_dependence_sentence(heard.names, dependence.labelled),
    )


class _PanelFits:
    """Posteriors that were drawn already: net detection asks for those of the two arms that it is made of."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, Errors, int], PanelPosterior] = {}

    def posterior_of(self, arm: ArmVerdicts, errors: Errors, seed: int) -> PanelPosterior:
        """As `panel_posterior`."""
        counts = arm.counts
        key = b"".join(part.tobytes() for part in (counts.verdicts, counts.unlabelled, counts.labelled)), errors, seed
        if key not in self._known:
            self._known[key] = panel_posterior(counts, errors=errors, seed=seed)
        return self._known[key]


def _panel_arm(arm: ArmVerdicts, seed: int, known: _PanelFits) -> PanelArm:
    fits, reason = _arm_fits(arm, seed, known)
    found = {errors: finite_estimate(fits[errors].posterior_estimate()) if errors in fits else None for errors in FITS}
    return PanelArm(
        arm=arm.arm,
        trials=int(arm.counts.unlabelled.sum()) + arm.counts.label_counts,
        labels=arm.counts.label_counts,
        **found,
        reason=reason,
    )


def _arm_fits(arm: ArmVerdicts, seed: int, known: _PanelFits) -> tuple[dict[Errors, PanelPosterior], str | None]:
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
            found[errors] = known.posterior_of(arm, errors, seed)
        except (NotEnoughDataError, MissingPackageError) as error:
            reason = str(error)
    return found, reason


def _net_detection(arms: Mapping[str, ArmVerdicts], seed: int, known: _PanelFits) -> PanelEstimate:
    if missing := [name for name in TARGET.signs if name not in arms]:
        return _no_estimate(f"{missing[0]}: no judge has read a transcript there")
    fits = {name: _arm_fits(arms[name], seed + place, known) for place, name in enumerate(TARGET.signs)}
    reason = next((why for _, why in fits.values() if why), None)
    estimates: dict[Errors, Estimate | None] = dict.fromkeys(FITS)
    for errors in FITS:
        if all(errors in found for found, _ in fits.values()):
            posteriors = {name: found[errors] for name, (found, _) in fits.items()}
            estimates[errors] = finite_estimate(summarize_draws(TARGET.posterior_draws(posteriors)))
    return PanelEstimate(**estimates, reason=reason)


def _no_estimate(reason: str) -> PanelEstimate:
    return PanelEstimate(independent=None, free=None, reason=reason)


def _dependence_summary(
    names: Mapping[str, str], evidence_of: Mapping[str, LabelledEvidence], said: EventPatterns | None
) -> DependenceSummary:
    if len(names) < 2:
        return DependenceSummary()
    found = evidence_dependence({version: evidence_of[version] for version in names}, said)
    labelled = tuple(
        LabelledDependence(
            a=names[str(pair.a)],
            b=names[str(pair.b)],
            arm=None if pair.arm is None else str(pair.arm),
            truth=None if pair.truth is None else str(pair.truth),
            n=pair.n,
            both_wrong=finite_number(pair.both_wrong),
            expected=finite_number(pair.expected),
            odds_ratio=OddsRatio.from_interval(pair.odds_ratio) if pair.odds_ratio else None,
            p_value=finite_number(pair.p_value),
            verdict=pair.verdict,
        )
        for pair in found.labelled
    )
    unlabelled = tuple(
        UnlabelledDependence(
            a=names[str(pair.a)],
            b=names[str(pair.b)],
            arm=None if pair.arm is None else str(pair.arm),
            n=pair.n,
            agree=finite_number(pair.agree),
            expected=finite_number(pair.expected),
            p_value=finite_number(pair.p_value),
            verdict=pair.verdict,
        )
        for pair in found.unlabelled
    )
    return DependenceSummary(labelled=labelled, unlabelled=unlabelled, notes=found.notes)


def _dependence_sentence(names: Sequence[str], pairs: Sequence[LabelledDependence]) -> str:
    """A sentence that says which of the two fits to use."""
    if len(names) < 2:
        return ""
    overall = [pair for pair in pairs if pair.truth is None]
    if not overall:
        return "whether these judges err together is not known: no transcript that two of them read is labelled"
    if any(_err_together(pair) for pair in overall):
        return (
            "judge errors are correlated, so estimates that assume independent errors are too precise: use "
            "those that do not"
        )
    return "no sign of correlated judge errors, but with few labels this test has low power: report both estimates"


def _err_together(pair: LabelledDependence) -> bool:
    if pair.p_value is None or pair.both_wrong is None or pair.expected is None:
        return False
    return pair.p_value < SIGNIFICANT and pair.both_wrong > pair.expected
