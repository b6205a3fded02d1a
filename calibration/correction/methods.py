"""The event rate of an arm by each correction method, or why a method is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.calibration.correction.evidence import (
    correction_evidence,
    only_disputed,
    only_one_verdict,
    reason_not_correctable,
)
from gnomon.calibration.error_rates.confusion import LabelledEvidence, confusion_from_rows
from gnomon.calibration.error_rates.judged_counts import trial_counts
from gnomon.calibration.error_rates.label_randomness import arms_with_declared_choice, nonrandom_labels
from gnomon.calibration.labels.sampling_strata import BY_VERDICT
from gnomon.calibration.numerics.effective_counts import effective_number
from gnomon.calibration.numerics.prediction_powered import ppi_mean, ppi_weighted
from gnomon.calibration.numerics.proportions import CLIPPED, lang_reiczigel, rogan_gladen, wilson_interval
from gnomon.calibration.posterior.single_judge import joint_posterior
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import IntervalEstimate

METHODS = ("naive", "labels", "rogan_gladen", "lang_reiczigel", "ppi", "joint", "panel")
MIN_PPI_LABELS = 10
NO_PANEL = "{arm}: no judge has read a transcript there"

Correction = dict[str, IntervalEstimate | str]


def corrected_estimates(arm: str, found: LabelledEvidence, panel: Correction | None = None) -> Correction:
    """The event rate of an arm by each method, or the reason why a method is refused.

    Estimand: the share of events among the arm's trials that this judge read (train split excluded). `naive` counts
    verdicts without correction (Wilson); `labels` uses the labelled trials alone (Wilson, weighted); `rogan_gladen` and
    `lang_reiczigel` correct by this arm's own error rates and are refused for the reason of
    `correction.evidence.reason_not_correctable`;
    `ppi` assumes nothing about the judge but needs labels drawn with known probabilities. For these the apparent rate
    counts labelled and unlabelled trials, so it is not quite independent of the error rates; in `joint`, the posterior
    of this judge's rate and errors together (`posterior.single_judge`), it is. `panel` is the same for all judges
    together (`correction.panel_summary`) and the only one that is valid for labels chosen by verdicts.

    Parameters
    ----------
    arm : str
        Name of the arm.
    found : LabelledEvidence
        The judge's verdicts and labels.
    panel : Correction, optional
        The panel's estimate or reason, by arm.

    Returns
    -------
    dict of str to IntervalEstimate or str
        Estimate or reason, by the names of `METHODS`.
    """
    judged = found.judged[found.judged["arm"] == arm]
    counted = confusion_from_rows(found.pairs[found.pairs["arm"] == arm])
    apparent = event_count(judged)
    why = reason_not_correctable(correction_evidence(arm, found))
    ways: dict[str, Callable[[], IntervalEstimate]] = {
        "rogan_gladen": partial(rogan_gladen, apparent, counted.positives, counted.negatives),
        "lang_reiczigel": partial(lang_reiczigel, apparent, counted.positives, counted.negatives),
    }
    corrected = {name: why if why else _estimate_or_reason(way) for name, way in ways.items()}
    return {
        "naive": _estimate_or_reason(partial(wilson_interval, *apparent)),
        "labels": _estimate_or_reason(partial(_labels_alone, arm, found)),
        **corrected,
        "ppi": _estimate_or_reason(partial(ppi_estimate, arm, found)),
        "joint": why if why else _estimate_or_reason(partial(_joint_estimate, arm, found)),
        "panel": (panel or {}).get(arm, NO_PANEL.format(arm=arm)),
    }


def clipped_sentence(arm: str, found: LabelledEvidence) -> str | None:
    """That the correction by error rates leaves the range of a rate in an arm, and what that shows; None if it doesn't.

    Parameters
    ----------
    arm : str
        Name of the arm.
    found : LabelledEvidence
        The judge's verdicts and labels.
    """
    if reason_not_correctable(correction_evidence(arm, found)):
        return None
    counted = confusion_from_rows(found.pairs[found.pairs["arm"] == arm])
    apparent = event_count(found.judged[found.judged["arm"] == arm])
    value = rogan_gladen(apparent, counted.positives, counted.negatives, clip=False).value
    if 0 <= value <= 1:
        return None
    right, every = counted.negatives if value < 0 else counted.positives
    share, among = (1 - right / every, "negatives") if value < 0 else (right / every, "positives")
    bound, than = ("0", "fewer than") if value < 0 else ("100", "more than")
    yes = 100 * apparent[0] / apparent[1]
    return (
        f"{arm}: corrected by its error rates (Rogan-Gladen, Lang-Reiczigel) the rate is {100 * value:.1f} % and shown "
        f"as {bound} %: the judge says yes on {yes:.1f} % of all transcripts, {than} on the labelled "
        f"{among} alone ({100 * share:.1f} %), so the labelled transcripts are unlike the others or too few"
    )


def event_count(judged: pd.DataFrame) -> tuple[float, float]:
    """Trials that a judge read as events, and all, of rows or counts of judged trials."""
    number = trial_counts(judged)
    return float(number[judged["event"]].sum()), float(number.sum())


def _events_first(events: float, every: float) -> NDArray[np.bool_]:
    """Verdicts with this many events among all."""
    return np.arange(int(every)) < events


def _estimate_or_reason(way: Callable[[], IntervalEstimate]) -> IntervalEstimate | str:
    try:
        return way()
    except NotEnoughDataError as reason:
        return str(reason)


def _joint_estimate(arm: str, found: LabelledEvidence) -> IntervalEstimate:
    rows = found.pairs[found.pairs["arm"] == arm]
    if rows["stratum"].isin(BY_VERDICT).any():
        raise NotEnoughDataError(
            f"{arm}: labels were chosen by what judges said: only all judges together can use them"
        )
    if rows["weight"].nunique() > 1:
        why = (
            "were chosen with unequal chances"
            if arms_with_declared_choice(rows)
            else "do not look like a random sample"
        )
        raise NotEnoughDataError(f"{arm}: labels {why}: only all judges together can use them")
    events, every = event_count(found.judged[found.judged["arm"] == arm])
    rest = (events - float(rows["event"].sum()), every - len(rows))
    counted = confusion_from_rows(rows)
    hits, right = (counted.tp, counted.tp + counted.fn), (counted.tn, counted.tn + counted.fp)
    return joint_posterior(rest, hits, right, internal=True)


def _labels_alone(arm: str, found: LabelledEvidence) -> IntervalEstimate:
    rows = found.pairs[found.pairs["arm"] == arm]
    weight = rows["weight"].to_numpy(dtype=float)
    truth = rows["true_event"].to_numpy(dtype=float)
    if not len(rows):
        raise NotEnoughDataError(f"{arm}: no transcript is labelled")
    verdict = only_one_verdict(arm, found)
    if verdict is not None and nonrandom_labels(found.pairs, found.judged):
        said = "positive" if verdict else "negative"
        raise NotEnoughDataError(
            f"{arm}: only transcripts with a {said} verdict are labelled, which are no sample of all"
        )
    effective = effective_number(weight)
    return wilson_interval(effective * float(np.average(truth, weights=weight)), effective)


def ppi_estimate(arm: str, found: LabelledEvidence) -> IntervalEstimate:
    """The event rate of one arm by PPI++, with labels at random or of known inclusion probabilities.

    Parameters
    ----------
    arm : str
        The arm.
    found : LabelledEvidence
        Verdicts of one judge and labels; `true_event` may be a number between 0 and 1 where a label is soft.

    Raises
    ------
    NotEnoughDataError
        If there are too few labels, or they are no sample of all trials.
    """
    rows, judged = (frame[frame["arm"] == arm] for frame in (found.pairs, found.judged))
    if len(rows) < MIN_PPI_LABELS or rows["true_event"].nunique() < 2:
        raise NotEnoughDataError(f"{arm}: {len(rows)} labels: PPI++ needs {MIN_PPI_LABELS}, of events and of others")
    if only_disputed(arm, found):
        raise NotEnoughDataError(f"{arm}: only disputed transcripts are labelled, which are no sample of all")
    if rows["weight"].nunique() == 1:
        events, every = event_count(judged)
        rest = _events_first(events - float(rows["event"].sum()), every - len(rows))
        estimate = ppi_mean(rows["true_event"], rows["event"], rest)
    else:
        estimate = _is_weighted(rows, judged)
    low, high = max(0.0, estimate.low), min(1.0, estimate.high)
    point = min(1.0, max(0.0, estimate.value))
    name = estimate.method if point == estimate.value else f"{estimate.method}{CLIPPED}"
    return IntervalEstimate(point, min(low, point), max(high, point), estimate.se, estimate.level, name)


def _is_weighted(rows: pd.DataFrame, judged: pd.DataFrame) -> IntervalEstimate:
    """PPI++ for labels with unequal inclusion probabilities: inverse weights, scaled to add to the number of judged
    trials.
    """
    chance = 1 / rows["weight"].to_numpy(dtype=float)
    events, every = event_count(judged)
    scale = (1 / chance).sum() / every
    pool = _events_first(events, every)
    return ppi_weighted(rows["true_event"], rows["event"], pool, np.minimum(chance * scale, 1.0))
