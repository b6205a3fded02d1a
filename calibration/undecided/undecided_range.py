"""The range that undecided labels leave in a judge's errors and in the corrected rate: from a store to the card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from gnomon.calibration.comparison.compared_versions import find_version, versions_with_verdicts
from gnomon.calibration.correction.methods import ppi_estimate
from gnomon.calibration.error_rates.confusion import LabelledEvidence, judged_trials, pair_with_labels
from gnomon.calibration.labels.undecided_facts import DECIDES
from gnomon.calibration.labels.views import rater_labels, reference_labels_of, truth_rule
from gnomon.calibration.observations.frames import arms_in
from gnomon.calibration.observations.measured_splits import splits_before_test
from gnomon.calibration.undecided.undecided_results import TruthReading, UndecidedArm, UndecidedLabels
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.results import finite_estimate
from gnomon.data.storage.store import Store

READINGS: Mapping[str, float] = {"none": 0.0, "half": 0.5, "all": 1.0}
"""Each reading of undecided labels, with how much of an event one counts."""


def undecided_range(store: Store, version: str, view: str) -> UndecidedLabels | None:
    """What undecided labels leave open for one judge version; None where every label decides.

    A label that leaves the outcome open is no truth that judges are measured by; the hierarchical fit alone reads it,
    as a set of classes (`stats.cells.open_labels`). Here it is read in three ways.
    Estimands: the event rate of each arm (PPI++), sensitivity, specificity and agreement, with the undecided labels as
    no events, as half an event each (soft truth: the mean of both answers), and as events. Whatever the answers would
    be, the rate lies between the lower limit of the first and the upper limit of the last, as far as its intervals hold
    (worst-case bounds, Manski 2003). The test split is left out: nothing here is a look at it.

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.
    view : {"blind", "first", "current"}
        Label view (`gnomon.calibration.labels.views`).
    """
    labels = rater_labels(store, view)
    truth = reference_labels_of(labels.drop(columns=DECIDES), truth_rule(store))
    splits = splits_before_test(find_version(versions_with_verdicts(store), version))
    judged = judged_trials(store, [version], splits=splits)
    table = truth[["trial", "stratum", "probability", "exposure", "event_low", "event_high"]].assign(
        **{f"true_{name}": truth[name] for name in ("outcome", "event", "passed")}
    )
    found = pair_with_labels(judged, table)[0]
    open_ = found.pairs["event_low"] != found.pairs["event_high"]
    if not open_.any():
        return None
    arms = tuple(_arm_range(arm, found) for arm in arms_in(found.pairs))
    part = UndecidedLabels(
        version=version,
        view=view,
        splits=splits,
        labelled=len(found.pairs),
        undecided=int(open_.sum()),
        arms=arms,
        words=(),
    )
    return part.model_copy(update={"words": tuple(_sentences(part))})


def _arm_range(arm: str, found: LabelledEvidence) -> UndecidedArm:
    mine = found.pairs["arm"] == arm
    pairs = found.pairs[mine]
    readings = tuple(_reading(arm, name, share, found) for name, share in READINGS.items())
    first, last = readings[0].label_rate, readings[-1].label_rate
    return UndecidedArm(
        arm=arm,
        labelled=len(pairs),
        undecided=int((pairs["event_low"] != pairs["event_high"]).sum()),
        readings=readings,
        low=None if first is None or last is None else min(first.low, last.low),
        high=None if first is None or last is None else max(first.high, last.high),
    )


def _reading(arm: str, name: str, share: float, found: LabelledEvidence) -> TruthReading:
    pairs = found.pairs
    low, high = pairs["event_low"].to_numpy(dtype=float), pairs["event_high"].to_numpy(dtype=float)
    soft = pairs.assign(true_event=low + share * (high - low))
    rate, reason = None, None
    try:
        rate = finite_estimate(ppi_estimate(arm, LabelledEvidence(found.judged, soft)))
    except NotEnoughDataError as error:
        reason = str(error)
    return TruthReading(reading=name, label_rate=rate, reason=reason, **_soft_errors(soft[soft["arm"] == arm]))


def _soft_errors(rows: pd.DataFrame) -> dict[str, float | None]:
    """Expected shares of right verdicts where a label is an event with the probability `true_event`."""
    truth, weight = rows["true_event"].to_numpy(dtype=float), rows["weight"].to_numpy(dtype=float)
    said = rows["event"].to_numpy(dtype=float)
    right = truth * said + (1 - truth) * (1 - said)
    return {
        "sensitivity": _weighted_mean(said, weight * truth),
        "specificity": _weighted_mean(1 - said, weight * (1 - truth)),
        "agreement": _weighted_mean(right, weight),
    }


def _weighted_mean(values: np.ndarray, weight: np.ndarray) -> float | None:
    total = float(weight.sum())
    return float(values @ weight / total) if total > 0 else None


def _sentences(part: UndecidedLabels) -> Iterator[str]:
    yield (
        f"{part.undecided:,} of {part.labelled:,} labelled trials leave open whether there was an event: they count as "
        "no truth."
    )
    for arm in part.arms:
        if arm.undecided and arm.low is not None and arm.high is not None:
            yield (
                f"In {arm.arm}, {arm.undecided} of {arm.labelled}: whatever they were, the event rate is between "
                f"{100 * arm.low:.0f} and {100 * arm.high:.0f} %."
            )
        elif arm.undecided:
            reason = arm.readings[0].reason or arm.readings[-1].reason
            yield f"In {arm.arm}, {arm.undecided} of {arm.labelled}: {reason}."
