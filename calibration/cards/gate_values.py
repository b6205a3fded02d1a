"""What a requirement may name on a card: every figure by its path, with the intervals that the card's counts give."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from pydantic import BaseModel

from gnomon.calibration.cards.calibration_card import CalibrationCard, CardArm
from gnomon.calibration.cards.label_agreement import COEFFICIENTS, agreement_estimate, counts_of_pairs
from gnomon.calibration.cards.reliable_rates import kind_reasons
from gnomon.calibration.numerics.proportions import Count, clopper_pearson, difference_interval
from gnomon.calibration.results.error_rates import ErrorRates, EvidenceLevel
from gnomon.calibration.transport.transport_results import TransportAudit, TransportOutcome
from gnomon.data.arms import ARMS
from gnomon.data.records import IntervalEstimate, VerdictState
from gnomon.data.results import Estimate

Unit = Literal["share", "probability", "difference", "count", "level", "number"]
Interval = Callable[[float], Estimate | None]
"""The estimate with an interval of a given nominal coverage; None where the card's counts do not give it."""
NAMING = ("arm", "name", "covariate", "error", "kind", "rate", "reading")
"""Attributes that say what an entry of a list is about, in the order of its path."""
WHOLE = "all"
"""What all arms together are called on a path."""
RATES = ("sensitivity", "specificity", "accuracy", "youden")


@dataclass(frozen=True, slots=True)
class GateValue:
    """One figure of a card that a requirement may name.

    Attributes
    ----------
    value : float or None
        The figure; None where the card has none.
    unit : str
        share (0 to 1), difference (-1 to 1), count, level (one of `levels`, in their order) or number.
    interval : callable, optional
        Gives the interval of any nominal coverage; None for a figure without one.
    withheld : str or None
        Why no requirement on it is ever fulfilled; None where one may be.
    levels : mapping of str to float
        Names of the values that it can have, for a unit of levels.
    """

    value: float | None
    unit: Unit
    interval: Interval | None = None
    withheld: str | None = None
    levels: Mapping[str, float] = field(default_factory=dict)


def gate_values(card: CalibrationCard) -> dict[str, GateValue]:
    """Every figure of a card that a requirement may name, by its path."""
    found = dict(_label_values(card))
    for arm in ARMS:
        entry = card.arm_named(arm)
        found |= {f"{arm}.{name}": value for name, value in _arm_values(arm, entry)}
    found |= dict(_agreement_values(card))
    found |= dict(_verdict_values(card))
    for name in type(card.parts).model_fields:
        found |= dict(part_values(name, getattr(card.parts, name)))
    found |= dict(part_values("charge", card.charge))
    return found


def part_values(path: str, part: object) -> Iterator[tuple[str, GateValue]]:
    """Numbers and estimates of a further part of a card, by their path.

    Parameters
    ----------
    path : str
        Path of the part.
    part : object
        A result, an estimate, a mapping, a list of results with a name or an arm, an outcome, a number; all else is
        left out.
    """
    if isinstance(part, Estimate):
        yield path, GateValue(part.value, "number", partial(_stored_interval, part))
    elif isinstance(part, BaseModel):
        for name in type(part).model_fields:
            value = getattr(part, name)
            below = path if isinstance(value, tuple) else f"{path}.{name}"
            yield from part_values(below, value)
        for decided in ("has_drifted", "is_shown"):
            if hasattr(part, decided):
                yield f"{path}.{decided}", GateValue(float(getattr(part, decided)), "level", levels=YES_NO)
        if isinstance(part, TransportAudit):
            worst = min((each.outcome for each in part.decisions), key=list(TRANSPORT_LEVELS).index, default=None)
            yield from part_values(f"{path}.outcome", worst)
    elif isinstance(part, Mapping):
        for name, each in part.items():
            yield from part_values(f"{path}.{name}", each)
    elif isinstance(part, tuple):
        for each in part:
            yield from part_values(f"{path}.{_entry_name(each)}", each) if _entry_name(each) else ()
    elif isinstance(part, TransportOutcome):
        yield path, GateValue(TRANSPORT_LEVELS[str(part)], "level", levels=TRANSPORT_LEVELS)
    elif isinstance(part, int | float) and not isinstance(part, bool):
        yield path, GateValue(float(part), "number")


def _entry_name(entry: object) -> str:
    """What an entry of a list is called on the path of its figures: its arm, name, property, kind; "" without any."""
    told = [WHOLE] if hasattr(entry, "arm") and entry.arm is None else []
    told += [value for key in NAMING if isinstance(value := getattr(entry, key, None), str)]
    return ".".join(re.sub(r"[^\w.-]", "-", each) for each in told)


def _label_values(card: CalibrationCard) -> Iterator[tuple[str, GateValue]]:
    labels = card.basis.labels
    yield "labels", GateValue(labels.trials, "count")
    yield "raters", GateValue(len(labels.raters), "count")
    yield "people", GateValue(sum(rater.kind == "person" for rater in labels.raters), "count")


def _arm_values(arm: str, entry: CardArm | None) -> Iterator[tuple[str, GateValue]]:
    missing = None if entry is not None else f"no trial of the arm {arm} is labelled"
    rates = entry.event if entry is not None else None
    yield "labels", GateValue(entry.labels if entry else 0, "count")
    yield "events", GateValue(rates.tp + rates.fn if rates else 0, "count")
    yield "others", GateValue(rates.fp + rates.tn if rates else 0, "count")
    yield "evidence", GateValue(float(entry.evidence.level.rank) if entry else 0.0, "level", levels=LEVELS)
    base = entry.base_rate if entry else None
    yield "base_rate", GateValue(base.value if base else None, "share", partial(_base_interval, entry), missing)
    for name in RATES:
        why = missing if entry is None else entry.withheld.get(name)
        yield name, _rate_value(name, rates, why)
        passes = entry.passes if entry else None
        yield f"pass.{name}", _rate_value(name, passes, why or _too_few_of_kind(name, passes))


def _base_interval(entry: CardArm | None, confidence: float) -> Estimate | None:
    """The base rate with its exact interval; with weighted labels with the stored one."""
    if entry is None or entry.event.is_weighted:
        return _stored_interval(entry.base_rate if entry else None, confidence)
    return _exact_share((entry.event.tp + entry.event.fn, entry.labels), confidence)


def _too_few_of_kind(name: str, rates: ErrorRates | None) -> str | None:
    """Why the rates for pass and fail are not relied on, whose kinds of trials are others than those of the event."""
    return None if rates is None else kind_reasons(rates).get(name)


def _rate_value(name: str, rates: ErrorRates | None, withheld: str | None) -> GateValue:
    stored: Estimate | None = getattr(rates, name) if rates else None
    unit: Unit = "difference" if name == "youden" else "share"
    if rates is None or stored is None:
        return GateValue(None, unit, None, withheld)
    return GateValue(stored.value, unit, partial(rate_interval, name, rates), withheld)


def rate_interval(name: str, rates: ErrorRates, confidence: float) -> Estimate | None:
    """A rate with the interval that a gate decides by, from the counts that a card keeps.

    Estimand: the rate for trials like the labelled ones. Shares have the exact interval of Clopper and Pearson, so that
    a rate at the bound passes with a probability of at most half of what the level leaves; Youden's J has the interval
    that those of both shares give (MOVER, Zou and Donner 2008). The audit's own intervals (Wilson, Newcombe) are
    shorter, and a gate that decides by them passes too often (bench/RESULTS.md). With weighted labels the counts are
    effective numbers.

    Parameters
    ----------
    name : {"sensitivity", "specificity", "accuracy", "youden"}
        Which rate.
    rates : ErrorRates
        Counts and rates, with the effective numbers of labels.
    confidence : float
        Nominal coverage, 0 to 1.

    Returns
    -------
    Estimate or None
        None for the accuracy of weighted labels, whose effective number is not kept, and for a rate without trials.
    """
    if name == "accuracy":
        right, labels = rates.tp + rates.tn, rates.tp + rates.tn + rates.fp + rates.fn
        return None if rates.is_weighted else _exact_share((right, labels), confidence)
    hits, rejected = (
        (min(each.value, 1.0) * n, n) if each is not None else None
        for each, n in ((rates.sensitivity, rates.effective_positives), (rates.specificity, rates.effective_negatives))
    )
    if name == "youden" and hits is not None and rejected is not None:
        return Estimate.from_interval(exact_youden(hits, rejected, confidence))
    if name == "youden":
        return None
    return _exact_share(hits if name == "sensitivity" else rejected, confidence)


def exact_youden(hits: Count, rejected: Count, confidence: float) -> IntervalEstimate:
    """Youden's J with the interval that the exact intervals of both shares give.

    Parameters
    ----------
    hits : (k, n)
        Positive verdicts among true events.
    rejected : (k, n)
        Negative verdicts among true non-events.
    confidence : float
        Nominal coverage, 0 to 1.
    """
    wrong = (max(rejected[1] - rejected[0], 0.0), rejected[1])
    return difference_interval(*(clopper_pearson(*count, confidence=confidence) for count in (hits, wrong)))


def _exact_share(count: Count | None, confidence: float) -> Estimate | None:
    if count is None or not count[1]:
        return None
    return Estimate.from_interval(clopper_pearson(*count, confidence=confidence))


def _stored_interval(stored: Estimate | None, confidence: float) -> Estimate | None:
    return stored if stored is not None and abs(stored.level - confidence) < 1e-9 else None


def _agreement_values(card: CalibrationCard) -> Iterator[tuple[str, GateValue]]:
    found = card.agreement
    table = counts_of_pairs(found.table)
    yield "agreement.n", GateValue(found.n, "count")
    for name in COEFFICIENTS:
        stored: Estimate | None = getattr(found, name)
        unit: Unit = "share" if name == "agreement" else "difference"
        interval = partial(agreement_estimate, name, table)
        why = None if stored is not None else f"{found.n} trials that count: too few, or one outcome only"
        yield f"agreement.{name}", GateValue(stored.value if stored else None, unit, interval, why)
    among = found.among_raters
    for name in ("ac1", "alpha"):
        rated: Estimate | None = getattr(among, name) if among else None
        why = None if rated else "fewer than two raters with enough trials in common"
        value = rated.value if rated else None
        yield f"among_raters.{name}", GateValue(value, "difference", partial(_stored_interval, rated), why)


def _verdict_values(card: CalibrationCard) -> Iterator[tuple[str, GateValue]]:
    yield "verdicts", GateValue(card.basis.verdicts.number, "count")
    yield "verdicts.ok", GateValue(card.states.get(str(VerdictState.OK), 0.0), "share")
    again = card.consistency
    why = None if again else "the judge was asked once about each trial"
    yield "consistency.trials", GateValue(again.trials if again else 0, "count")
    for name in ("same_outcome", "same_event"):
        stored: Estimate | None = getattr(again, name) if again else None
        interval = partial(_repeat_interval, stored, again.trials if again else 0)
        yield f"consistency.{name}", GateValue(stored.value if stored else None, "share", interval, why)
    for name, trend in {"positive_rate": card.drift.positive_rate, "accuracy": card.drift.accuracy}.items():
        why = None if trend else "too little to test for drift"
        yield f"drift.{name}.p_value", GateValue(trend.p_value if trend else None, "probability", None, why)


def _repeat_interval(stored: Estimate | None, trials: int, confidence: float) -> Estimate | None:
    return None if stored is None else _exact_share((round(stored.value * trials), trials), confidence)


YES_NO = {"no": 0.0, "yes": 1.0}
TRANSPORT_LEVELS = {"fail": 0.0, "not checked": 1.0, "inconclusive": 2.0, "pass": 3.0}
"""Outcomes of a check of transport, as numbers: only a pass is the highest."""
LEVELS = {str(level): float(level.rank) for level in EvidenceLevel}
"""Levels of evidence by name, as numbers."""
