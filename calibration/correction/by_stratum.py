"""A judge's error rates by arm, and within an arm by injected concept and by subject, raw and partially pooled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from gnomon.calibration.correction.methods import obstacle
from gnomon.calibration.error_rates.confusion import Confusion, Evidence, Reading, confusion, groups
from gnomon.calibration.numerics.partial_pooling import Pooled, partial_pool
from gnomon.calibration.observations.frames import arms_in

READINGS: dict[str, Reading] = {"as_pass": "passed", "as_event": "event"}
WITHIN = {"concept": "target", "subject": "subject"}


@dataclass(frozen=True, slots=True)
class Stratum:
    """An arm, or one concept or subject within it, with the trials that measure the judge there."""

    arm: str
    concept: str | None
    subject: str | None
    found: Evidence


def strata(found: Evidence) -> list[dict[str, Any]]:
    """Every stratum with labelled trials: arms, then concepts within arms, then subjects within arms.

    Partial pooling draws the concepts of an arm towards each other, and its subjects; arms are never drawn
    together. An arm's own `pooled` rates are those to expect of a subject of that arm that has no labels yet.

    Returns
    -------
    list of dict
        arm, concept and subject (None where the stratum is not by it), labelled, correctable and reason (by the
        stratum's own labels, for the event), and the rates of `rates`, each with pooled.
    """
    arms = [Stratum(arm, None, None, _part(found, "arm", arm)) for arm in arms_in(found.pairs)]
    rows = [_row(each, _arm_pooled(each.found)) for each in arms]
    for each in arms:
        rows += _within(each, "concept")
    for each in arms:
        rows += _within(each, "subject")
    return rows


def rates(rows: pd.DataFrame, pooled: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Counts and rates of labelled trials: at the top for the study's pass, under as_pass, and under as_event."""
    told = {}
    for name, reading in READINGS.items():
        counts = asdict(confusion(rows, reading))
        told[name] = {key: value for key, value in counts.items() if key not in ("positives", "negatives")}
        if pooled is not None:
            told[name]["pooled"] = pooled[name]
    return {**told["as_pass"], **told}


def _within(arm: Stratum, kind: str) -> list[dict[str, Any]]:
    """Rows of the concepts or subjects of one arm, pooled with each other."""
    column = WITHIN[kind]
    names = [name for _, name in groups(arm.found.pairs, column)]
    parts = [_part(arm.found, column, name) for name in names]
    pooled = [_pool([confusion(part.pairs, reading) for part in parts]) for reading in READINGS.values()]
    rows = []
    for place, (name, part) in enumerate(zip(names, parts, strict=True)):
        stratum = Stratum(arm.arm, **{"concept": None, "subject": None, kind: name}, found=part)
        own = {
            reading: {rate: each.groups[place] for rate, each in sides.items()}
            for reading, sides in zip(READINGS, pooled, strict=True)
        }
        rows.append(_row(stratum, own))
    return rows


def _arm_pooled(found: Evidence) -> dict[str, Any]:
    """What to expect of a subject of this arm that has no labels."""
    parts = [part for _, part in groups(found.pairs, "subject").items()]
    pooled = {name: _pool([confusion(part, reading) for part in parts]) for name, reading in READINGS.items()}
    return {name: {rate: each.population for rate, each in sides.items()} for name, sides in pooled.items()}


def _pool(counted: list[Confusion]) -> dict[str, Pooled]:
    return {
        "sensitivity": partial_pool([_within_n(each.positives) for each in counted]),
        "specificity": partial_pool([_within_n(each.negatives) for each in counted]),
    }


def _within_n(count: tuple[float, float]) -> tuple[float, float]:
    # Weighted counts may pass their n by a rounding error.
    return min(count[0], count[1]), count[1]


def _row(stratum: Stratum, pooled: Mapping[str, Any]) -> dict[str, Any]:
    why = obstacle(stratum.arm, stratum.found)
    return {
        "arm": stratum.arm,
        "concept": stratum.concept,
        "subject": stratum.subject,
        "labelled": len(stratum.found.pairs),
        **rates(stratum.found.pairs, pooled),
        "correctable": why is None,
        "reason": why.removeprefix(f"{stratum.arm}: ") if why else None,
    }


def _part(found: Evidence, column: str, value: str) -> Evidence:
    return Evidence(found.judged[found.judged[column] == value], found.pairs[found.pairs[column] == value])
