"""A judge's error rates by arm, and within an arm by injected concept and by subject, raw and partially pooled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from gnomon.calibration.correction.evidence import correction_evidence, reason_not_correctable
from gnomon.calibration.error_rates.confusion import (
    ConfusionCounts,
    LabelledEvidence,
    Reading,
    confusion_from_rows,
    group_rows,
)
from gnomon.calibration.numerics.partial_pooling import PooledRates, partial_pool
from gnomon.calibration.observations.frames import arms_in
from gnomon.calibration.results.error_rates import (
    ErrorRates,
    ExpectedRates,
    OverallErrorRates,
    PooledErrorRates,
    StratumErrorRates,
)
from gnomon.data.results import finite_estimate

READINGS: dict[str, Reading] = {"as_pass": "passed", "as_event": "event"}
WITHIN = {"concept": "target", "subject": "subject"}


@dataclass(frozen=True, slots=True)
class ErrorStratum:
    """An arm, or one concept or subject within it, with the trials that measure the judge there."""

    arm: str
    concept: str | None
    subject: str | None
    found: LabelledEvidence


def error_strata(found: LabelledEvidence) -> list[StratumErrorRates]:
    """Every stratum with labelled trials: arms, then concepts within arms, then subjects within arms.

    Partial pooling shrinks the concepts of an arm towards each other, and likewise its subjects; arms are never pooled.
    An arm's own `pooled` rates are those expected for a subject of that arm without labels.

    Returns
    -------
    list of StratumErrorRates
        The evidence for a correction is that of the stratum's own labels, for the event.
    """
    arms = [ErrorStratum(arm, None, None, _evidence_part(found, "arm", arm)) for arm in arms_in(found.pairs)]
    rows = [_stratum_row(each, _arm_pooled(each.found)) for each in arms]
    for each in arms:
        rows += _within_arm(each, "concept")
    for each in arms:
        rows += _within_arm(each, "subject")
    return rows


def overall_error_rates(rows: pd.DataFrame) -> OverallErrorRates:
    """Counts and rates of all labelled trials: at the top for the study's pass, under as_pass, and under as_event."""
    as_pass, as_event = (error_rates_of(confusion_from_rows(rows, reading)) for reading in READINGS.values())
    return OverallErrorRates(**vars(as_pass), as_pass=as_pass, as_event=as_event)


def error_rates_of(counts: ConfusionCounts) -> ErrorRates:
    """Counted trials as a result."""
    return ErrorRates(
        tp=counts.tp,
        fp=counts.fp,
        fn=counts.fn,
        tn=counts.tn,
        sensitivity=finite_estimate(counts.sensitivity),
        specificity=finite_estimate(counts.specificity),
        accuracy=finite_estimate(counts.accuracy),
        youden=finite_estimate(counts.youden),
        effective_positives=counts.positives[1],
        effective_negatives=counts.negatives[1],
    )


def _within_arm(arm: ErrorStratum, kind: str) -> list[StratumErrorRates]:
    """Rows of the concepts or subjects of one arm, pooled with each other."""
    column = WITHIN[kind]
    names = [name for _, name in group_rows(arm.found.pairs, column)]
    parts = [_evidence_part(arm.found, column, name) for name in names]
    pooled = [
        _pool_strata([confusion_from_rows(part.pairs, reading) for part in parts]) for reading in READINGS.values()
    ]
    rows = []
    for place, (name, part) in enumerate(zip(names, parts, strict=True)):
        stratum = ErrorStratum(arm.arm, **{"concept": None, "subject": None, kind: name}, found=part)
        own = {
            reading: ExpectedRates.from_intervals(**{rate: each.groups[place] for rate, each in sides.items()})
            for reading, sides in zip(READINGS, pooled, strict=True)
        }
        rows.append(_stratum_row(stratum, own))
    return rows


def _arm_pooled(found: LabelledEvidence) -> dict[str, ExpectedRates]:
    """Expected rates of a subject of this arm without labels."""
    parts = [part for _, part in group_rows(found.pairs, "subject").items()]
    pooled = {
        name: _pool_strata([confusion_from_rows(part, reading) for part in parts]) for name, reading in READINGS.items()
    }
    return {
        name: ExpectedRates.from_intervals(**{rate: each.population for rate, each in sides.items()})
        for name, sides in pooled.items()
    }


def _pool_strata(counted: list[ConfusionCounts]) -> dict[str, PooledRates]:
    return {
        "sensitivity": partial_pool([_within_n(each.positives) for each in counted]),
        "specificity": partial_pool([_within_n(each.negatives) for each in counted]),
    }


def _within_n(count: tuple[float, float]) -> tuple[float, float]:
    # Weighted counts may exceed their n by a rounding error.
    return min(count[0], count[1]), count[1]


def _stratum_row(stratum: ErrorStratum, pooled: Mapping[str, ExpectedRates]) -> StratumErrorRates:
    evidence = correction_evidence(stratum.arm, stratum.found)
    why = reason_not_correctable(evidence)
    as_pass, as_event = (
        PooledErrorRates(**vars(error_rates_of(confusion_from_rows(stratum.found.pairs, reading))), pooled=pooled[name])
        for name, reading in READINGS.items()
    )
    return StratumErrorRates(
        arm=stratum.arm,
        concept=stratum.concept,
        subject=stratum.subject,
        labelled=len(stratum.found.pairs),
        **vars(as_pass),
        as_pass=as_pass,
        as_event=as_event,
        evidence=evidence,
        correctable=why is None,
        reason=why.removeprefix(f"{stratum.arm}: ") if why else None,
    )


def _evidence_part(found: LabelledEvidence, column: str, value: str) -> LabelledEvidence:
    return LabelledEvidence(found.judged[found.judged[column] == value], found.pairs[found.pairs[column] == value])
