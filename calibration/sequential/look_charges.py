"""What looks at the test split cost: each look spends a part of the error, so that all intervals hold together.

Rule: the k-th look spends 6 error / (pi^2 k^2), which sums to `error` over any number of looks. A judge or prompt that
is changed after a look and measured on the same labels again is so kept from passing by chance: whichever look is
reported, its interval is one of a family that holds with probability 1 - error (Bonferroni).
"""

from __future__ import annotations

import math

from gnomon.calibration.numerics.proportions import clopper_pearson
from gnomon.calibration.results.audit import AuditDocument, JudgeAudit, ViewAudit
from gnomon.calibration.results.error_rates import ErrorRates
from gnomon.calibration.sequential.sequential_results import ChargedRates, LookCharge
from gnomon.data.errors import InputError
from gnomon.data.records import Split
from gnomon.data.results import Estimate, finite_estimate


def spent_error(look: int, error: float = 0.05) -> float:
    """Part of the error that the k-th look spends: 6 error / (pi^2 k^2).

    Parameters
    ----------
    look : int
        Which look this is, from 1.
    error : float, default 0.05
        Error over all looks together.

    Raises
    ------
    InputError
        If the look is below 1.
    """
    if look < 1:
        raise InputError(f"look {look}: looks are counted from 1")
    return 6 * error / (math.pi * look) ** 2


def charge_looks(audit: AuditDocument | ViewAudit, *, error: float = 0.05) -> LookCharge | None:
    """The error rates of an audit, with intervals that pay for all looks at the test split so far.

    Estimand and assumptions are those of the audit's own rates; the exact interval of Clopper and Pearson at
    the level 1 - `spent_error`.

    Parameters
    ----------
    audit : AuditDocument or ViewAudit
        An audit; its own look is counted in it.
    error : float, default 0.05
        Error over all looks together.

    Returns
    -------
    LookCharge or None
        None if nobody looked at the test split.
    """
    if audit.test_split_looks < 1:
        return None
    spent = spent_error(audit.test_split_looks, error)
    rates = tuple(
        rates
        for entry in audit.judges
        if str(Split.TEST) in entry.splits and entry.labelled
        for rates in _charged_rates(entry, 1 - spent)
    )
    charge = LookCharge(looks=audit.test_split_looks, error=error, spent=spent, level=1 - spent, rates=rates, words="")
    return charge.model_copy(update={"words": look_sentence(charge)})


def _charged_rates(entry: JudgeAudit, level: float) -> list[ChargedRates]:
    return [
        ChargedRates(
            judge=entry.judge,
            version=entry.version,
            view=entry.labels,
            arm=row.arm,
            sensitivity=_at_level(row.as_event.sensitivity, row.as_event, level, "events"),
            specificity=_at_level(row.as_event.specificity, row.as_event, level, "others"),
        )
        for row in entry.strata
        if row.is_whole_arm
    ]


def _at_level(rate: Estimate | None, rates: ErrorRates, level: float, kind: str) -> Estimate | None:
    n = rates.effective_positives if kind == "events" else rates.effective_negatives
    return finite_estimate(clopper_pearson(rate.value * n, n, confidence=level)) if rate is not None and n else None


def look_sentence(charge: LookCharge) -> str:
    """What the looks so far cost, in a sentence or two."""
    times = "once" if charge.looks == 1 else f"{charge.looks} times"
    told = f"The test split was looked at {times} so far."
    level = 100 * charge.level
    return (
        f"{told} For {100 * (1 - charge.error):g} % over all looks together, intervals of this look on it need the "
        f"level {level:.{2 if level < 99.9 else 3}f} %."
    )
