"""Which rates of a judge in an arm a gate may rely on: enough labels of the kind, a judge better than a coin."""

from __future__ import annotations

from gnomon.calibration.correction.evidence import THRESHOLDS
from gnomon.calibration.results.error_rates import CorrectionEvidence, ErrorRates, EvidenceLevel

EACH_KIND = THRESHOLDS[EvidenceLevel.MODERATE].each_kind
"""Fewest effective labelled trials of a kind for a rate that a gate may rely on: as for moderate evidence."""


def withheld_rates(rates: ErrorRates, evidence: CorrectionEvidence, *, labels_unlike: bool = False) -> dict[str, str]:
    """Rates of an arm that no gate may rely on, with the reason.

    A rate needs `EACH_KIND` effective labelled trials of its kind: events for the sensitivity, others for the
    specificity, both for accuracy and Youden's J. Nothing is relied on where the judge is inverted or cannot be told
    from a coin, where labels were chosen so that they hide half of its errors, or where labels that are declared random
    do not look so.

    Parameters
    ----------
    rates : ErrorRates
        The judge's rates for the event in the arm.
    evidence : CorrectionEvidence
        The evidence of the arm's labels.
    labels_unlike : bool, default False
        Whether the arm's labels are declared random and do not look so.
    """
    names = ("sensitivity", "specificity", "accuracy", "youden")
    why = _reason_for_all(rates, evidence, labels_unlike)
    if why is not None:
        return dict.fromkeys(names, why)
    return kind_reasons(rates)


def kind_reasons(rates: ErrorRates) -> dict[str, str]:
    """Rates with fewer than `EACH_KIND` effective labelled trials of their kind, with the reason."""
    events = _lacking(rates.effective_positives, "positives")
    others = _lacking(rates.effective_negatives, "negatives")
    reasons = {"sensitivity": events, "specificity": others, "accuracy": events or others, "youden": events or others}
    return {name: reason for name, reason in reasons.items() if reason}


def _reason_for_all(rates: ErrorRates, evidence: CorrectionEvidence, labels_unlike: bool) -> str | None:
    if evidence.level is EvidenceLevel.INVERTED:
        return "the judge is inverted: it says yes where labels say no"
    if labels_unlike:
        return "the labels are declared a random sample and do not look like one"
    both = rates.tp + rates.fn and rates.tn + rates.fp
    enough = not kind_reasons(rates)
    if (evidence.level is EvidenceLevel.NONE and both) or (evidence.level is EvidenceLevel.WEAK and enough):
        return (evidence.reason or "labels do not show its errors").split(": ", 1)[-1]
    return None


def _lacking(have: float, kind: str) -> str | None:
    return None if have >= EACH_KIND else f"labels are worth {have:.3g} {kind}, a gate needs {EACH_KIND}"
