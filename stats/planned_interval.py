"""The interval of a corrected fit that a label plan is for: of one model, or the widest of all."""

from __future__ import annotations

from gnomon.calibration.posterior.plan_target import CORRECTED, FITTED_RATES, NET, RATE
from gnomon.calibration.results.label_plan import PlannedInterval
from gnomon.data.arms import ARMS
from gnomon.data.results import Estimate
from gnomon.data.storage.store import Store
from gnomon.stats.estimand_registry import CORRECTED_VIEW, ESTIMANDS, FALSE_ALARM, IDENTIFICATION
from gnomon.stats.outdated_fits import outdated_fits
from gnomon.stats.results import PASSED, EstimateRow
from gnomon.stats.stored_fits import newest_fits


def planned_interval(store: Store, estimand: str, subject: str | None = None) -> PlannedInterval | None:
    """The interval that the study's corrected fit shows under the name that a plan is for; None without such a fit.

    Parameters
    ----------
    store : Store
        Store of the study.
    estimand : str
        As in `gnomon.calibration.queue.sample_size.plan_labels`.
    subject : str, optional
        Only this model; by default the one with the widest interval.
    """
    fit = newest_fits(store).get(CORRECTED_VIEW)
    if fit is None or fit.status != PASSED:
        return None
    name, by = _fitted_name(estimand)
    rows = [
        row
        for row in fit.result.estimands
        if row.estimand == name and dict(row.by) == by and subject in (None, row.subject)
    ]
    if not rows:
        return None
    widest = max(rows, key=lambda row: row.high95 - row.low95)
    return PlannedInterval(
        source="fit",
        estimand=name,
        subject=widest.subject,
        subjects=len(rows),
        estimate=_estimate_of(widest),
        outdated=CORRECTED_VIEW in outdated_fits(store),
    )


def _fitted_name(estimand: str) -> tuple[str, dict[str, str]]:
    """Name and stratum under which a fit reports an estimand of the plan."""
    if estimand == NET:
        return NET, {}
    if estimand in FITTED_RATES:
        return estimand.removesuffix(CORRECTED), {}
    arm = estimand.removeprefix(RATE)
    name = IDENTIFICATION if arm in ARMS and ARMS[arm].counts_identified else FALSE_ALARM
    return name, {} if arm in ESTIMANDS[name].arms else {"arm": arm}


def _estimate_of(row: EstimateRow) -> Estimate:
    return Estimate(value=row.mean, low=row.low95, high=row.high95, se=row.sd, level=0.95, method="corrected fit")
