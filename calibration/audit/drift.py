"""Judge drift over time: trends of event rate and accuracy, and consistency of repeated verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtr
from sqlalchemy import func, select

from gnomon.calibration.error_rates.confusion import LabelledEvidence
from gnomon.calibration.numerics.proportions import newcombe_difference, wilson_interval
from gnomon.calibration.observations.frames import fact_columns, trial_frame, with_outcomes
from gnomon.calibration.results.error_rates import DriftBlock, JudgeDrift, RepeatConsistency, Trend
from gnomon.data.facts import CORE_FACTS
from gnomon.data.records import IntervalEstimate, VerdictState
from gnomon.data.results import Estimate, finite_estimate
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import verdicts as verdict_table
from gnomon.data.study_settings import load_settings

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
    read = _in_blocks(evidence.judged.merge(times[["trial", "at"]], on="trial").dropna(subset=["at"]))
    truth = evidence.pairs[["trial", "true_event"]]
    known = read.merge(truth, on="trial")
    known = known.assign(right=known["event"] == known["true_event"])
    drift = JudgeDrift(
        start=_iso_time(read["at"].min()),
        end=_iso_time(read["at"].max()),
        times=int(read["at"].nunique()),
        verdicts=len(read),
        blocks=tuple(_drift_block(rows, known[known["block"] == block]) for block, rows in read.groupby("block")),
        positive_rate=_trend_test(read, "event", ALIKE),
        accuracy=_trend_test(known, "right", (*ALIKE, "true_event")),
        words="",
    )
    return drift.model_copy(update={"words": drift_sentences(drift)})


def stratified_trend(
    y: Sequence[float], score: Sequence[float], stratum: Sequence[object]
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
    frame = pd.DataFrame({"y": np.asarray(y, dtype=float), "score": score, "stratum": list(stratum)})
    by = frame.groupby("stratum")
    n = by["y"].transform("size")
    centred = frame["score"] - by["score"].transform("mean")
    share = by["y"].transform("mean")
    spread = (centred**2 * share * (1 - share) * n / (n - 1).clip(lower=1)).sum()
    if spread <= 1e-12:
        return None
    z = float((centred * frame["y"]).sum() / np.sqrt(spread))
    return z, float(2 * ndtr(-abs(z)))


def repeat_consistency(store: Store, version: str) -> RepeatConsistency | None:
    """How often a judge version gave the same answer when asked repeatedly about a trial.

    Parameters
    ----------
    store : Store
        Store with verdicts.
    version : str
        Judge version.

    Returns
    -------
    RepeatConsistency or None
        None if no trial was judged repeatedly.
    """
    column = verdict_table.c
    facts = fact_columns(verdict_table)
    mine = (column.judge == version, column.state == str(VerdictState.OK))
    twice = select(column.trial).where(*mine).group_by(column.trial).having(func.count() > 1)
    query = select(column.trial, column.sample, *facts).where(*mine, column.trial.in_(twice))
    heard = store.read_frame(query).dropna(subset=list(CORE_FACTS))
    often = heard[heard.groupby("trial")["trial"].transform("size") > 1]
    if often.empty:
        return None
    read = with_outcomes(often.merge(trial_frame(store), on="trial"), load_settings(store).rule)
    kinds = read.groupby("trial")[["outcome", "event"]].nunique()
    same = (kinds == 1).sum()
    return RepeatConsistency(
        trials=len(kinds),
        samples=len(read),
        same_outcome=Estimate.from_interval(wilson_interval(int(same["outcome"]), len(kinds))),
        same_event=Estimate.from_interval(wilson_interval(int(same["event"]), len(kinds))),
    )


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
    p = f"p {trend.p_value:.3f}" if trend.p_value >= 0.001 else "p < .001"
    if trend.p_value >= SIGNIFICANT:
        return f"{name} without a trend ({p})"
    change = "" if trend.change is None else f" by {100 * abs(trend.change.value):.0f} points from first to last block"
    return f"{name} {'rises' if trend.z > 0 else 'falls'}{change} ({p})"


def _in_blocks(read: pd.DataFrame) -> pd.DataFrame:
    """Verdicts in order of time with their rank and block; verdicts of the same time share a block."""
    ordered = read.sort_values(["at", "trial"]).reset_index(drop=True)
    blocks = max(1, min(BLOCKS, len(ordered) // PER_BLOCK))
    first = ordered["at"].rank(method="min") - 1
    block = (first * blocks // max(len(ordered), 1)).astype(int)
    return ordered.assign(rank=ordered["at"].rank(), block=block)


def _drift_block(rows: pd.DataFrame, known: pd.DataFrame) -> DriftBlock:
    right = wilson_interval(int(known["right"].sum()), len(known)) if len(known) else None
    return DriftBlock(
        start=_iso_time(rows["at"].min()),
        end=_iso_time(rows["at"].max()),
        verdicts=len(rows),
        positive_rate=finite_estimate(wilson_interval(int(rows["event"].sum()), len(rows))),
        labelled=len(known),
        accuracy=finite_estimate(right),
    )


def _trend_test(rows: pd.DataFrame, what: str, alike: Sequence[str]) -> Trend | None:
    if rows["at"].nunique() < 2:
        return None
    strata = list(rows[list(alike)].astype(object).fillna("").itertuples(index=False, name=None))
    tested = stratified_trend(rows[what].astype(float).tolist(), rows["rank"].tolist(), strata)
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
