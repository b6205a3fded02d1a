"""A judge's error rates as they became known, and whether they have drifted; one may look after each label.

Estimands: in each arm the probability that the judge misses a labelled event, and that it sees one where the label has
none; and the probability that a second rater's label has another event than the first's. Trials are in the order in
which both verdict and label were known. Without drift they are independent with one probability, whatever the order;
labels that verdicts chose are left out, because their errors are not. Limits are those of a confidence sequence, the
test for a change that of `change_detection`. A judge that answered in several runs is compared with its first run: the
k-th later run is given 6 / (pi^2 k^2) of the error. Several rates share the error equally (Bonferroni). The test split
is never read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from gnomon.calibration.comparison.compared_versions import find_version, versions_with_verdicts
from gnomon.calibration.error_rates.confusion import as_times, collect_evidence, verdict_times
from gnomon.calibration.labels.sampling_strata import BY_VERDICT
from gnomon.calibration.labels.views import rater_labels, true_labels
from gnomon.calibration.numerics.number_formats import difference_with_interval, format_percent, rate_with_interval
from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.calibration.observations.frames import arms_in
from gnomon.calibration.observations.measured_splits import splits_before_test
from gnomon.calibration.sequential.change_detection import change_evidence
from gnomon.calibration.sequential.confidence_sequences import (
    cumulative_counts,
    running_limits,
    sequence_difference,
    sequence_interval,
)
from gnomon.calibration.sequential.look_charges import spent_error
from gnomon.calibration.sequential.sequential_results import (
    RateChange,
    RatePoint,
    RunDifference,
    RunningErrors,
    RunningRate,
)
from gnomon.data.records import RaterRole
from gnomon.data.results import Estimate
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings

RUN_GAP = pd.Timedelta(days=1)
"""A pause between verdicts from which on a new run begins."""
MOST_POINTS = 60
APART = "raters apart"
_COLUMNS = ("known", "error", "run")


def running_errors(store: Store, judge: str, view: str | None = None, *, error: float = 0.05) -> RunningErrors:
    """The running error rates of a judge version, and whether they have drifted.

    Parameters
    ----------
    store : Store
        Store of the study.
    judge : str
        Name of the judge (its newest version), a version or the beginning of one.
    view : str, optional
        Label view; by default the study's.
    error : float, default 0.05
        Greatest probability that drift is ever told where there is none.

    Raises
    ------
    UnknownNameError
        If the judge has no verdict.
    """
    chosen = view or load_settings(store).label_view
    asked = find_version(versions_with_verdicts(store), judge)
    found = collect_evidence(store, [asked.version], chosen, splits=splits_before_test(asked))[0].pairs
    random = found[~found["stratum"].isin(BY_VERDICT)]
    rows = _in_order(store, asked.version, chosen, random)
    sequences = [*_error_sequences(rows), *_label_sequences(store, chosen)]
    rates = tuple(_running_rate(kind, arm, part, error / len(sequences)) for kind, arm, part in sequences)
    made = RunningErrors(
        judge=asked.judge,
        version=asked.version,
        view=chosen,
        error=error,
        rates=rates,
        left_out=len(found) - len(random),
        words="",
    )
    return made.model_copy(update={"words": running_sentences(made)})


def _in_order(store: Store, version: str, view: str, pairs: pd.DataFrame) -> pd.DataFrame:
    """Labelled trials with when both verdict and label were known, whether the judge erred, and its run."""
    labels = true_labels(store, view)
    times = verdict_times(store, [version])
    known = pairs.merge(times[["trial", "at"]], on="trial").merge(labels[["trial", "created_at"]], on="trial")
    labelled = as_times(known["created_at"])
    starts = _run_starts(times["at"])
    return known.assign(
        known=known["at"].where(known["at"] > labelled, labelled.fillna(known["at"])),
        error=known["event"] != known["true_event"],
        run=pd.Series([_run_of(at, starts) for at in known["at"]], index=known.index, dtype=object),
    ).sort_values(["known", "trial"])


def _run_starts(times: pd.Series[pd.Timestamp]) -> list[pd.Timestamp]:
    """First verdict of each run: verdicts that follow a pause of at least `RUN_GAP`."""
    ordered = times.dropna().sort_values()
    return list(ordered[ordered.diff().isna() | (ordered.diff() >= RUN_GAP)])


def _run_of(at: pd.Timestamp, starts: list[pd.Timestamp]) -> pd.Timestamp | None:
    return max([start for start in starts if start <= at], default=None)


def _error_sequences(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for arm in arms_in(rows):
        for kind, wanted in (("missed events", True), ("false alarms", False)):
            part = rows.loc[(rows["arm"] == arm) & (rows["true_event"] == wanted), list(_COLUMNS)]
            if len(part):
                yield kind, arm, part


def _label_sequences(store: Store, view: str) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Trials with two raters' labels, by arm: whether the second has another event, and when it was given."""
    labels = rater_labels(store, view)
    labels = labels[(labels["role"] != str(RaterRole.ADJUDICATOR)) & ~labels["stratum"].isin(BY_VERDICT)]
    ordered = labels.sort_values(["trial", "since", "rater"])
    place = ordered.groupby("trial").cumcount()
    both = ordered[place == 0].merge(ordered[place == 1], on="trial", suffixes=("", "_second"))
    both = both.assign(known=as_times(both["since_second"]), error=both["event"] != both["event_second"], run=None)
    for arm in arms_in(both):
        yield APART, arm, both.loc[both["arm"] == arm, ["trial", *_COLUMNS]].sort_values(["known", "trial"])


def _running_rate(kind: str, arm: str, rows: pd.DataFrame, error: float) -> RunningRate:
    events = rows["error"].to_numpy(dtype=bool)
    evidence = change_evidence(events, error=error)
    return RunningRate.model_validate(
        {
            "kind": kind,
            "arm": arm,
            "trials": len(events),
            "events": int(events.sum()),
            "rate": Estimate.from_interval(sequence_interval(events.sum(), len(events), confidence=1 - error)),
            "path": _path(rows, 1 - error),
            "evidence": float(evidence.log_evidence[-1] / math.log(10)),
            "change": _rate_change(rows, evidence.decided, evidence.change),
            "runs": tuple(_run_differences(rows, error)),
        }
    )


def _path(rows: pd.DataFrame, confidence: float) -> tuple[RatePoint, ...]:
    """The running rate at up to `MOST_POINTS` times."""
    events, trials = cumulative_counts(rows["error"].to_numpy(dtype=bool))
    shown = np.unique(np.linspace(0, len(events) - 1, min(MOST_POINTS, len(events))).round().astype(int))
    limits = running_limits(events[shown], trials[shown], confidence=confidence)
    times = [_iso(at) for at in rows["known"].iloc[shown]]
    return tuple(
        RatePoint(n=int(n), at=at, rate=float(rate), low=float(low), high=float(high))
        for n, at, rate, low, high in zip(trials[shown], times, *limits, strict=True)
    )


def _rate_change(rows: pd.DataFrame, decided: int | None, change: int | None) -> RateChange | None:
    if decided is None or not change:
        return None
    before, after = rows["error"].iloc[:change], rows["error"].iloc[change:]
    return RateChange(
        decided_after=decided,
        decided_at=_iso(rows["known"].iloc[decided - 1]),
        since=_iso(rows["known"].iloc[change]),
        before=Estimate.from_interval(wilson_interval(int(before.sum()), len(before))),
        after=Estimate.from_interval(wilson_interval(int(after.sum()), len(after))),
    )


def _run_differences(rows: pd.DataFrame, error: float) -> Iterator[RunDifference]:
    runs = sorted({run for run in rows["run"] if run is not None and not pd.isna(run)})
    for place, run in enumerate(runs[1:], start=1):
        first, later = (rows.loc[rows["run"] == each, "error"] for each in (runs[0], run))
        given = spent_error(place, error)
        counts = [(float(part.sum()), float(len(part))) for part in (later, first)]
        yield RunDifference(
            start=run.isoformat(),
            trials=len(later),
            events=int(later.sum()),
            error=given,
            difference=Estimate.from_interval(sequence_difference(*counts, confidence=1 - given)),
        )


def running_sentences(errors: RunningErrors) -> str:
    """What is known of the judge's drift, in sentences."""
    own = [each for each in errors.rates if each.kind != APART]
    if not own:
        why = f": verdicts chose all {errors.left_out}" if errors.left_out else ""
        return (
            f"Whether errors of {errors.judge} drift was not followed: no labelled trial outside the test split{why}."
        )
    told = [_drift_clause(each) for each in errors.rates if each.has_drifted]
    rates = "; ".join(
        f"{each.arm} {each.kind} {rate_with_interval(each.rate)}, {each.trials} trials" for each in errors.rates
    )
    level = f"limits hold at all times and for all rates together with {100 * (1 - errors.error):g} %"
    found = f"Drift: {'; '.join(told)}." if told else "No drift is shown so far; one may look again after each label."
    left = f" {errors.left_out} labels that verdicts chose are left out." if errors.left_out else ""
    return f"{errors.judge}: {rates}; {level}. {found}{left}"


def _drift_clause(rate: RunningRate) -> str:
    if (change := rate.change) is not None:
        moved = f"{format_percent(change.before.value)} to {format_percent(change.after.value)}"
        return f"{rate.arm} {rate.kind} changed from {moved}, most likely since {change.since}"
    run = next(each for each in rate.runs if each.excludes_zero)
    gap = run.difference
    return f"{rate.arm} {rate.kind} differ by {difference_with_interval(gap)} since the run of {run.start}"


def _iso(at: pd.Timestamp) -> str | None:
    return None if pd.isna(at) else at.isoformat()
