"""Graded evidence for correcting a judge's rates in an arm: what the labels show of its errors, and what is lacking.

Estimand: none; a grade of the labels that measure sensitivity and specificity. It rests on the numbers of labelled
events and non-events (Kish's effective numbers where labels are weighted) and on Youden's J with its 95 % interval
(Newcombe 1998, method 10). Thresholds are those of `THRESHOLDS`: with 10 trials of a kind the 95 % interval of a rate
of .8 is about .46 wide, with 30 about .28; a lower limit of J above half of J means that J is known within a quarter,
and a corrected rate divides by J.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from gnomon.calibration.error_rates.confusion import ConfusionCounts, LabelledEvidence, confusion_from_rows
from gnomon.calibration.labels.sampling_strata import BY_VERDICT
from gnomon.calibration.numerics.number_formats import coefficient_with_interval, format_coefficient
from gnomon.calibration.results.error_rates import CorrectionEvidence, EvidenceLevel
from gnomon.data.records import IntervalEstimate
from gnomon.data.results import finite_estimate

MIN_YOUDEN = 0.1
PROMISING = 0.3
"""Youden's J from which a judge that cannot be told from a coin lacks labels rather than skill."""


@dataclass(frozen=True, slots=True)
class EvidenceThreshold:
    """What a level asks for: labelled trials of each kind, and J's lower limit above this share of J."""

    each_kind: int
    low_over_youden: float


THRESHOLDS = {EvidenceLevel.MODERATE: EvidenceThreshold(10, 0.0), EvidenceLevel.STRONG: EvidenceThreshold(30, 0.5)}
"""The levels above weak, in order; each also asks for J of at least `MIN_YOUDEN`."""
INVERTED = (
    "the judge is inverted, it says yes where labels say no and no where they say yes, so nothing is corrected with "
    "it: check whether its values were read the wrong way round"
)
SUFFICIENT = tuple(THRESHOLDS)
"""Levels at which a correction is supported by its labels."""


def correction_evidence(arm: str, found: LabelledEvidence) -> CorrectionEvidence:
    """The evidence for correcting a judge's event rate in an arm by its error rates there.

    None: labelled events or labelled non-events are missing, or only disputed transcripts or only those with one and
    the same verdict are labelled. Inverted: the
    interval of J lies below 0. Weak: fewer than ten of a kind, J below 0.1, or an interval of J that reaches 0.
    Moderate and strong: `THRESHOLDS`.

    Parameters
    ----------
    arm : str
        Name of the arm.
    found : LabelledEvidence
        The judge's verdicts and labels.
    """
    rows = found.pairs[found.pairs["arm"] == arm]
    counted = confusion_from_rows(rows)
    level, reason, needs = _grade(arm, found, rows, counted)
    return CorrectionEvidence(
        level=level,
        positives=counted.tp + counted.fn,
        negatives=counted.fp + counted.tn,
        effective_positives=counted.positives[1],
        effective_negatives=counted.negatives[1],
        youden=finite_estimate(counted.youden),
        needs=needs,
        reason=None if reason is None else f"{arm}: {reason}",
    )


def reason_not_correctable(evidence: CorrectionEvidence) -> str | None:
    """Why no estimate is made from a judge's error rates in an arm; None if one is.

    An estimate is made if the labels include both events and non-events, not all of them are of transcripts chosen
    because judges dispute them, and Youden's J is at least 0.1 with a 95 % interval above 0. With few labels its
    interval is wide; the evidence's level says so.
    """
    youden = evidence.youden
    informative = youden is not None and youden.value >= MIN_YOUDEN and youden.low > 0
    return None if informative and evidence.level is not EvidenceLevel.NONE else evidence.reason


def only_disputed(arm: str, found: LabelledEvidence) -> bool:
    """Whether all labels of an arm are of disputed transcripts while others exist.

    Parameters
    ----------
    arm : str
        Name of the arm.
    found : LabelledEvidence
        The judge's verdicts and labels.
    """
    rows, judged = (frame[frame["arm"] == arm] for frame in (found.pairs, found.judged))
    chosen = bool(rows["stratum"].isin(BY_VERDICT).any())
    return chosen and bool(rows["disputed"].all()) and not bool(judged["disputed"].all())


def only_one_verdict(arm: str, found: LabelledEvidence) -> bool | None:
    """The verdict of all labelled trials of an arm, where the judge gave both verdicts there; None if they differ.

    Such labels cannot tell sensitivity from specificity: one is 1 and the other 0, whatever the judge.

    Parameters
    ----------
    arm : str
        Name of the arm.
    found : LabelledEvidence
        The judge's verdicts and labels.
    """
    rows, judged = (frame.loc[frame["arm"] == arm, "event"] for frame in (found.pairs, found.judged))
    return bool(rows.iloc[0]) if len(rows) and rows.nunique() == 1 and judged.nunique() > 1 else None


def _grade(
    arm: str, found: LabelledEvidence, rows: pd.DataFrame, counted: ConfusionCounts
) -> tuple[EvidenceLevel, str | None, str | None]:
    """Level, the reason why it is below moderate, and what the next level needs."""
    events, others, youden = counted.positives[1], counted.negatives[1], counted.youden
    if not len(rows):
        return EvidenceLevel.NONE, "no transcript is labelled, so the judge's errors there are not known", None
    if youden is not None and (verdict := only_one_verdict(arm, found)) is not None:
        said, other = ("positive", "negative") if verdict else ("negative", "positive")
        why = f"all {len(rows)} labelled transcripts have a {said} verdict, so half the errors are unknown"
        return EvidenceLevel.NONE, f"{why}: label some with a {other} one", None
    if youden is None:
        some = "none" if counted.sensitivity is None else "each"
        why = f"{some} of {len(rows)} labelled transcripts holds an event, so half the errors are unknown"
        return EvidenceLevel.NONE, why, _needs_of_each(events, others, SUFFICIENT[0])
    if only_disputed(arm, found):
        why = "only disputed transcripts are labelled: label some of the others (audit stream)"
        return EvidenceLevel.NONE, why, None
    return _grade_by_youden(events, others, youden, len(rows))


def _grade_by_youden(
    events: float, others: float, youden: IntervalEstimate, labels: int
) -> tuple[EvidenceLevel, str | None, str | None]:
    shown = f"Youden's J is {coefficient_with_interval(youden)}"
    if youden.high < 0:
        return EvidenceLevel.INVERTED, f"{shown}: {INVERTED}", None
    if youden.value < MIN_YOUDEN or youden.low <= 0:
        why = f"{shown}: {_coin_clause(youden)}, so nothing is corrected with it"
        few = _needs_of_each(events, others, SUFFICIENT[0])
        return EvidenceLevel.WEAK, why, few or _needs_of_youden(youden, labels, 0.0)
    reached = [
        level
        for level, asked in THRESHOLDS.items()
        if min(events, others) >= asked.each_kind and youden.low > asked.low_over_youden * youden.value
    ]
    level = reached[-1] if reached else EvidenceLevel.WEAK
    lacking = None if reached else f"{_count_phrase(events, others)} labelled, {shown}"
    return level, lacking, _needs_for_next(level, events, others, youden, labels)


def _coin_clause(youden: IntervalEstimate) -> str:
    """That a judge is no better than a coin, or that labels are too few to tell."""
    if youden.low > 0:
        return "the judge is hardly better than a coin"
    if youden.value >= PROMISING:
        return "too few labels to tell whether the judge is better than a coin"
    return "the judge cannot be told from a coin"


def _needs_for_next(
    level: EvidenceLevel, events: float, others: float, youden: IntervalEstimate, labels: int
) -> str | None:
    """What is lacking for the level above; None at the highest."""
    above = next((each for each in THRESHOLDS if each.rank > level.rank), None)
    if above is None:
        return None
    share = THRESHOLDS[above].low_over_youden
    return _needs_of_each(events, others, above) or _needs_of_youden(youden, labels, share)


def _needs_of_each(events: float, others: float, level: EvidenceLevel) -> str | None:
    """How many labelled events and non-events are lacking for a level."""
    asked = THRESHOLDS[level].each_kind
    lacking = [
        f"{missing} more labelled {kind}{'' if missing == 1 else 's'}"
        for kind, have in (("event", events), ("non-event", others))
        if (missing := max(round(asked - have), asked - have > 0)) > 0
    ]
    if not lacking:
        return None
    share = events / (events + others)
    rare, have = (share, events) if events <= others else (1 - share, others)
    at_random = f", or about {math.ceil((asked - have) / rare):,} labels at random" if rare > 0 else ""
    return f"{level} evidence needs about {' and '.join(lacking)}{at_random}"


def _needs_of_youden(youden: IntervalEstimate, labels: int, share: float) -> str:
    """How many more labels raise J's lower limit above a share of J, if J stays and its error falls as 1 / sqrt(n)."""
    if youden.value < MIN_YOUDEN:
        return (
            f"if J stays at {format_coefficient(youden.value)}, no number of labels makes this judge useful: improve it"
        )
    factor = ((youden.value - youden.low) / (youden.value * (1 - share))) ** 2
    more = max(1, math.ceil(labels * (factor - 1)))
    return f"about {more:,} more labels narrow J's interval enough, if J stays at {format_coefficient(youden.value)}"


def _count_phrase(events: float, others: float) -> str:
    return f"{events:.3g} event{'' if events == 1 else 's'} and {others:.3g} other{'' if others == 1 else 's'}"
