"""Agreement of one judge version with the labels on the outcome, as a table from which intervals can be made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from gnomon.calibration.agreement.coefficients import cohen_kappa, gwet_ac1, krippendorff_alpha
from gnomon.calibration.agreement.pairwise import CODES, MIN_ITEMS
from gnomon.calibration.cards.calibration_card import CardAgreement, OutcomePair
from gnomon.calibration.error_rates.confusion import reference_table
from gnomon.calibration.labels.sampling_strata import BY_VERDICT
from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.calibration.observations.frames import verdicts_with_outcomes
from gnomon.calibration.results.agreement import GroupAgreement, PairAgreement
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import IntervalEstimate
from gnomon.data.results import Estimate, finite_estimate
from gnomon.data.storage.store import Store

CODED = list(CODES.values())


def label_pairs(store: Store, version: str, view: str, labels: pd.DataFrame) -> pd.DataFrame:
    """The verdict of a judge version and the reference label of each labelled trial.

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.
    view : str
        Label view.
    labels : pandas.DataFrame
        Labels of `card_label_rows`.

    Returns
    -------
    pandas.DataFrame
        Columns trial, arm, stratum, outcome, event, true_outcome, true_event.
    """
    trials = labels[["trial", "arm", "target"]].drop_duplicates("trial")
    heard = verdicts_with_outcomes(store, [version], trials)
    both = heard.merge(reference_table(store, view), on="trial").sort_values("trial").reset_index(drop=True)
    return both[["trial", "arm", "stratum", "outcome", "event", "true_outcome", "true_event"]]


def label_agreement(
    pairs: pd.DataFrame, raters: Sequence[PairAgreement], among: Sequence[GroupAgreement]
) -> CardAgreement:
    """Agreement of a judge with the labels, beside the base rates that chance agreement follows from.

    Estimands: share of trials with the same outcome (Wilson); Cohen's kappa, Gwet's AC1 and Krippendorff's alpha
    (`gnomon.calibration.agreement.coefficients`), for trials that were not chosen by what judges said. Expected
    agreement is Cohen's: the sum of the products of the two margins.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Rows of `label_pairs`.
    raters : sequence of PairAgreement
        The judge with each rater, of the audit.
    among : sequence of GroupAgreement
        Agreement within groups, of the audit.
    """
    counted = pairs[~pairs["stratum"].isin(BY_VERDICT)]
    table = outcome_counts(counted["true_outcome"], counted["outcome"])
    n = int(table.sum())
    shares = table / max(n, 1)
    return CardAgreement(
        n=n,
        table=_as_pairs(table),
        expected=float(shares.sum(axis=0) @ shares.sum(axis=1)) if n else None,
        label_events=float(counted["true_event"].mean()) if n else None,
        judge_events=float(counted["event"].mean()) if n else None,
        **{name: agreement_estimate(name, table) for name in COEFFICIENTS},
        raters=tuple(raters),
        among_raters=next((each for each in among if each.group == "raters"), None),
    )


def outcome_counts(labels: pd.Series[str], verdicts: pd.Series[str]) -> np.ndarray:
    """Counts of outcomes by label (rows) and by verdict (columns), in the order of `CODES`.

    Parameters
    ----------
    labels : pandas.Series of str
        Outcome of each trial by its label.
    verdicts : pandas.Series of str
        Outcome of each trial by the judge.
    """
    table = np.zeros((len(CODES), len(CODES)))
    rows, columns = (part.map(CODES).to_numpy().astype(int) for part in (labels, verdicts))
    np.add.at(table, (rows, columns), 1)
    return table


def counts_of_pairs(pairs: Sequence[OutcomePair]) -> np.ndarray:
    """The table of counts that a card keeps as pairs of outcomes."""
    table = np.zeros((len(CODES), len(CODES)))
    for each in pairs:
        table[int(CODES[each.label]), int(CODES[each.verdict])] += each.n
    return table


def agreement_estimate(name: str, table: np.ndarray, confidence: float = 0.95) -> Estimate | None:
    """One coefficient from a table of counts; None below `MIN_ITEMS` trials, or where it is undefined.

    Parameters
    ----------
    name : {"agreement", "cohen", "ac1", "alpha"}
        Which.
    table : array (q, q)
        Counts by label and verdict.
    confidence : float, default 0.95
        Nominal coverage of the interval.
    """
    if table.sum() < MIN_ITEMS:
        return None
    try:
        return finite_estimate(COEFFICIENTS[name](table, confidence))
    except NotEnoughDataError:
        return None


def _as_pairs(table: np.ndarray) -> tuple[OutcomePair, ...]:
    names = list(CODES)
    return tuple(
        OutcomePair(label=names[row], verdict=names[column], n=int(table[row, column]))
        for row, column in np.argwhere(table > 0).tolist()
    )


def _ratings(table: np.ndarray) -> np.ndarray:
    """Two columns of codes, one row a trial."""
    cells = np.argwhere(table > 0)
    return np.repeat(cells, table[tuple(cells.T)].astype(int), axis=0).astype(float)


def _same_outcome(table: np.ndarray, confidence: float) -> IntervalEstimate:
    """Wilson's, as in the audit."""
    return wilson_interval(float(np.trace(table)), float(table.sum()), confidence=confidence)


def _cohen(table: np.ndarray, confidence: float) -> IntervalEstimate:
    return cohen_kappa(table, confidence=confidence)


def _by_ratings(coefficient: Callable[..., IntervalEstimate], table: np.ndarray, confidence: float) -> IntervalEstimate:
    return coefficient(_ratings(table), confidence=confidence)


COEFFICIENTS: Mapping[str, Callable[[np.ndarray, float], IntervalEstimate]] = {
    "agreement": _same_outcome,
    "cohen": _cohen,
    "ac1": partial(_by_ratings, partial(gwet_ac1, categories=CODED)),
    "alpha": partial(_by_ratings, krippendorff_alpha),
}
"""Coefficients of agreement on a card, each from a table of counts."""
