"""A judge's error rates by arm, and within an arm by injected concept and by subject, raw and partially pooled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from gnomon.calibration.correction.methods import reason_not_correctable
from gnomon.calibration.error_rates.confusion import (
    ConfusionCounts,
    LabelledEvidence,
    Reading,
    confusion_from_rows,
    group_rows,
)
from gnomon.calibration.numerics.partial_pooling import PooledRates, partial_pool
from gnomon.calibration.observations.frames import arms_in

READINGS: dict[str, Reading] = {"as_pass": "passed", "as_event": "event"}
WITHIN = {"concept": "target", "subject": "subject"}


@dataclass(frozen=True, slots=True)
class ErrorStratum:
    """An arm, or one concept or subject within it, with the trials that measure the judge there."""

    arm: str
    concept: str | None
    subject: str | None
    found: LabelledEvidence


def error_strata(found: LabelledEvidence) -> list[dict[str, Any]]:
    """Every stratum with labelled trials: arms, then concepts within arms, then subjects within arms.

    Partial pooling shrinks the concepts of an arm towards each other, and likewise its subjects; arms are never pooled.
    An arm's own `pooled` rates are those expected for a subject of that arm without labels.

    Returns
    -------
    list of dict
        arm, concept and subject (None if the stratum is not by it), labelled, correctable and reason (by the stratum's
        own labels, for the event), and the rates of `stratum_rates`, each with pooled.
    """
    arms = [ErrorStratum(arm, None, None, _evidence_part(found, "arm", arm)) for arm in arms_in(found.pairs)]
    rows = [_stratum_row(each, _arm_pooled(each.found)) for each in arms]
    for each in arms:
        rows += _within_arm(each, "concept")
    for each in arms:
        rows += _within_arm(each, "subject")
    return rows


def stratum_rates(rows: pd.DataFrame, pooled: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Counts and error rates on labelled trials.

    Parameters
    ----------
    rows : pandas.DataFrame
        Labelled trials of one judge (`LabelledEvidence.pairs`).
    pooled : mapping of str to object, optional
        Partially pooled rates under the keys of `READINGS`, added to each reading if given.

    Returns
    -------
    dict of str to object
        Rates for the study's pass at the top and under as_pass, and for the event under as_event.
    """
    told = {}
    for name, reading in READINGS.items():
        counts = asdict(confusion_from_rows(rows, reading))
        told[name] = {key: value for key, value in counts.items() if key not in ("positives", "negatives")}
        if pooled is not None:
            told[name]["pooled"] = pooled[name]
    return {**told["as_pass"], **told}


def _within_arm(arm: ErrorStratum, kind: str) -> list[dict[str, Any]]:
    """Rows of the concepts or subjects of one arm, partially pooled."""
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
            reading: {rate: each.groups[place] for rate, each in sides.items()}
            for reading, sides in zip(READINGS, pooled, strict=True)
        }
        rows.append(_stratum_row(stratum, own))
    return rows


def _arm_pooled(found: LabelledEvidence) -> dict[str, Any]:
    """Expected rates of a subject of this arm without labels."""
    parts = [part for _, part in group_rows(found.pairs, "subject").items()]
    pooled = {
        name: _pool_strata([confusion_from_rows(part, reading) for part in parts]) for name, reading in READINGS.items()
    }
    return {name: {rate: each.population for rate, each in sides.items()} for name, sides in pooled.items()}


def _pool_strata(counted: list[ConfusionCounts]) -> dict[str, PooledRates]:
    return {
        "sensitivity": partial_pool([_within_n(each.positives) for each in counted]),
        "specificity": partial_pool([_within_n(each.negatives) for each in counted]),
    }


def _within_n(count: tuple[float, float]) -> tuple[float, float]:
    # Weighted counts may exceed their n by a rounding error.
    return min(count[0], count[1]), count[1]


def _stratum_row(stratum: ErrorStratum, pooled: Mapping[str, Any]) -> dict[str, Any]:
    why = reason_not_correctable(stratum.arm, stratum.found)
    return {
        "arm": stratum.arm,
        "concept": stratum.concept,
        "subject": stratum.subject,
        "labelled": len(stratum.found.pairs),
        **stratum_rates(stratum.found.pairs, pooled),
        "correctable": why is None,
        "reason": why.removeprefix(f"{stratum.arm}: ") if why else None,
    }


def _evidence_part(found: LabelledEvidence, column: str, value: str) -> LabelledEvidence:
    return LabelledEvidence(found.judged[found.judged[column] == value], found.pairs[found.pairs[column] == value])
