"""Judge drift over time: trends of event rate and accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from gnomon.calibration.error_rates.confusion import LabelledEvidence
from gnomon.calibration.numerics.multiple_testing import format_p
from gnomon.calibration.numerics.proportions import newcombe_difference, wilson_interval
from gnomon.calibration.observations.verdict_table import NO_TIME, VerdictTable
from gnomon.calibration.results.error_rates import DriftBlock, JudgeDrift, Trend
from gnomon.data.records import IntervalEstimate
from gnomon.data.results import finite_estimate

BLOCKS = 5
PER_BLOCK = 10
ALIKE = ("subject", "arm", "target")
SIGNIFICANT = 0.05
ONE_RUN = pd.Timedelta(minutes=1)


def judge_drift(times: pd.DataFrame, evidence: LabelledEvidence) -> JudgeDrift:
    """Trends of one judge version's verdicts over time.

    Estimands: the share of events among the transcripts it read, and the share of labelled ones where it agrees
    with the label on the event, by time. Both trends are tested within strata of subject, arm and concept
    (accuracy also of the true answer), so that the order in which conditions were judged is not mistaken for drift.

    Parameters
    ----------
    times : DataFrame
        Rows of `verdict_times` for this version.
    evidence : LabelledEvidence
        The version's verdicts and labels in one view.

    """
    read = evidence.judged.merge(times[["trial", "at"]], on="trial").sort_values("trial").set_index("trial")
    truth = evidence.pairs.set_index("trial")["true_event"]
    return drift_of_labels(unlabelled_drift(read, truth.index), truth)


@dataclass(frozen=True, slots=True)
class _TimeBlock:
    """Verdicts of one block of time, and those among them that are events."""

    start: str | None
    end: str | None
    verdicts: int
    events: int


@dataclass(frozen=True, slots=True, eq=False)
class UnlabelledDrift:
    """What times and verdicts of one judge version say without labels.

    Attributes
    ----------
    blocks : dict of int to _TimeBlock
        Blocks of time by their number.
    times : int
        Distinct times.
    trend : Trend or None
        Trend of the share of events.
    labelled : pandas.DataFrame
        Verdicts on trials with a label, in order of time: at, event, subject, arm, target, rank, block.
    """

    blocks: dict[int, _TimeBlock]
    times: int
    trend: Trend | None
    labelled: pd.DataFrame


def drift_table(table: VerdictTable, version: str, splits: Sequence[str]) -> pd.DataFrame:
    """One version's verdicts for `unlabelled_drift`, by row of the table.

    Parameters
    ----------
    table : VerdictTable
        Verdicts.
    version : str
        Judge version.
    splits : sequence of str
        Splits that it is measured on.
    """
    kind = table.counted_kinds(version)
    here = np.flatnonzero((kind >= 0) & table.is_split(splits))
    at, about = table.at[here, table.place_of(version)], table.kinds
    columns: dict[str, object] = {
        name: pd.Categorical.from_codes(code[kind[here]], values)
        for name, (code, values) in ((name, pd.factorize(about[name])) for name in ALIKE)
    }
    known = np.where(at == NO_TIME, np.datetime64("NaT"), at.astype("datetime64[us]"))
    moments = pd.Series(pd.DatetimeIndex(known, tz="UTC"))
    event = about["event"].fillna(False).to_numpy(dtype=bool)[kind[here]]
    return pd.DataFrame({"event": event, **columns}).assign(at=moments).set_index(here)


def unlabelled_drift(read: pd.DataFrame, labelled: pd.Index) -> UnlabelledDrift:
    """Order verdicts in time, and test the share of events for a trend.

    Parameters
    ----------
    read : pandas.DataFrame
        One row for each verdict in the order of trial ids, with at, event, subject, arm and target; an index that
        labels are found by.
    labelled : pandas.Index
        Index of the trials with a label.
    """
    ordered = _in_blocks(read.dropna(subset=["at"]))
    blocks = {}
    for block, rows in ordered[["at", "event", "block"]].groupby("block"):
        ends = _iso_time(rows["at"].iloc[0]), _iso_time(rows["at"].iloc[-1])
        blocks[int(str(block))] = _TimeBlock(*ends, len(rows), int(rows["event"].sum()))
    trend = _trend_test(ordered, "event", ALIKE)
    return UnlabelledDrift(blocks, int(ordered["at"].nunique()), trend, ordered[ordered.index.isin(labelled)])


def drift_of_labels(seen: UnlabelledDrift, truth: pd.Series[bool]) -> JudgeDrift:
    """The drift of a version by the labels of one view.

    Parameters
    ----------
    seen : UnlabelledDrift
        Its verdicts in time.
    truth : pandas.Series of bool
        The label's event, by the index of the verdicts.
    """
    known = seen.labelled[seen.labelled.index.isin(truth.index)]
    known = known.assign(true_event=truth.reindex(known.index).astype(bool))
    known = known.assign(right=known["event"] == known["true_event"])
    blocks = list(seen.blocks.values())
    drift = JudgeDrift(
        start=blocks[0].start if blocks else None,
        end=blocks[-1].end if blocks else None,
        times=seen.times,
        verdicts=sum(block.verdicts for block in blocks),
        blocks=tuple(_drift_block(each, known[known["block"] == block]) for block, each in seen.blocks.items()),
        positive_rate=seen.trend,
        accuracy=_trend_test(known, "right", (*ALIKE, "true_event")),
        words="",
    )
    return drift.model_copy(update={"words": drift_sentences(drift)})


def stratified_trend(
    y: ArrayLike, score: ArrayLike, stratum: Sequence[object] | NDArray[np.intp]
) -> tuple[float, float] | None:
    """Mantel's test that a binary variable has no trend in a score, within strata.

    U = sum of (score - its mean in the stratum) times y; its variance under the null is, in each stratum, sum of (score
    - mean)^2 times p (1 - p) n / (n - 1). With one stratum this is the Cochran-Armitage test, up to the factor n / (n -
    1). Source: Mantel (1963), JASA 58.

    Parameters
    ----------
    y : sequence of float, length n
        0 or 1 for each unit.
    score : sequence of float, length n
        Score of each unit, such as its rank in time.
    stratum : sequence of hashable, length n
        Stratum of each unit.

    Returns
    -------
    (float, float) or None
        z and two-sided p value; None if no stratum varies in both y and score.
    """
    numbers = {"y": np.asarray(y, dtype=float), "score": np.asarray(score, dtype=float)}
    frame = pd.DataFrame({**numbers, "stratum": stratum if isinstance(stratum, np.ndarray) else list(stratum)})
    by = frame.groupby("stratum")
    n = by["y"].transform("size")
    centred = frame["score"] - by["score"].transform("mean")
    share = by["y"].transform("mean")
    spread = (centred**2 * share * (1 - share) * n / (n - 1).clip(lower=1)).sum()
    if spread <= 1e-12:
        return None
    z = float((centred * frame["y"]).sum() / np.sqrt(spread))
    return z, float(2 * ndtr(-abs(z)))


def drift_sentences(drift: JudgeDrift) -> str:
    """One or two sentences that summarise the drift document."""
    if drift.times < 2 or drift.start is None or drift.end is None:
        many = f"all {drift.verdicts} verdicts bear one time" if drift.verdicts else "it has no verdicts"
        return f"No drift can be seen: {many}."
    first, last = pd.Timestamp(drift.start), pd.Timestamp(drift.end)
    if last - first <= ONE_RUN:
        return "No drift can be seen: all verdicts came within a minute."
    span = _time_span(first, last)
    told = [
        part
        for part in (
            _trend_sentence("share of events", drift.positive_rate),
            _trend_sentence("agreement with the labels", drift.accuracy),
        )
        if part
    ]
    if not told:
        return f"{span}: too little to test for drift."
    return f"{span}: " + "; ".join(told) + "."


def _time_span(first: pd.Timestamp, last: pd.Timestamp) -> str:
    minutes = (last - first).total_seconds() / 60
    if minutes < 60:
        return f"All verdicts came within {minutes:.0f} minutes, so drift over days cannot be seen"
    return f"Verdicts from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"


def _trend_sentence(name: str, trend: Trend | None) -> str:
    if trend is None:
        return ""
    p = format_p(trend.p_value)
    if trend.p_value >= SIGNIFICANT:
        return f"{name} without a trend ({p})"
    change = "" if trend.change is None else f" by {100 * abs(trend.change.value):.0f} points from first to last block"
    return f"{name} {'rises' if trend.z > 0 else 'falls'}{change} ({p})"


def _in_blocks(read: pd.DataFrame) -> pd.DataFrame:
    """Verdicts in order of time with their rank and block; verdicts of the same time share a block."""
    ordered = read.sort_values("at", kind="stable")
    blocks = max(1, min(BLOCKS, len(ordered) // PER_BLOCK))
    first = ordered["at"].rank(method="min") - 1
    block = (first * blocks // max(len(ordered), 1)).astype(int)
    return ordered.assign(rank=ordered["at"].rank(), block=block)


def _drift_block(block: _TimeBlock, known: pd.DataFrame) -> DriftBlock:
    right = wilson_interval(int(known["right"].sum()), len(known)) if len(known) else None
    return DriftBlock(
        start=block.start,
        end=block.end,
        verdicts=block.verdicts,
        positive_rate=finite_estimate(wilson_interval(block.events, block.verdicts)),
        labelled=len(known),
        accuracy=finite_estimate(right),
    )


def _trend_test(rows: pd.DataFrame, what: str, alike: Sequence[str]) -> Trend | None:
    if rows["at"].nunique() < 2:
        return None
    strata = np.asarray(rows.groupby(list(alike), dropna=False, observed=True, sort=False).ngroup(), dtype=np.intp)
    tested = stratified_trend(rows[what].to_numpy(dtype=float), rows["rank"].to_numpy(), strata)
    if tested is None:
        return None
    z, p_value = tested
    return Trend(change=finite_estimate(_rate_change(rows, what)), z=z, p_value=p_value)


def _rate_change(rows: pd.DataFrame, what: str) -> IntervalEstimate | None:
    first, last = (rows[rows["block"] == end] for end in (rows["block"].min(), rows["block"].max()))
    if rows["block"].nunique() < 2:
        return None
    return newcombe_difference(int(last[what].sum()), len(last), int(first[what].sum()), len(first))


def _iso_time(at: pd.Timestamp) -> str | None:
    return None if pd.isna(at) else at.isoformat()
