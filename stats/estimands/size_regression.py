"""Regression on model size: the curve of a typical subject, odds ratios per doubling, differences between subjects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from gnomon.stats.estimand_registry import CONTROL, INJECTION, primary_estimands
from gnomon.stats.estimands.definitions import (
    EstimandDraws,
    SubjectPosterior,
    posterior_interval,
    subject_estimands,
)
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.results import ContrastRow, SizeOddsRatio

MIN_SUBJECTS = 3
CURVE_POINTS = 30
RIBBON_BUDGET = 400_000
CONTROL_LEVEL, INJECTION_EFFECT, INJECTION_LEVEL = "control level", "effect of injection", "injection level"


def reason_without_size_effect(frame: pd.DataFrame) -> str | None:
    """Why this study has no effect of size, or None if it has one."""
    sizes = frame.groupby("subject")["parameters"].first().nunique()
    subjects = frame["subject"].nunique()
    if subjects == 1:
        return "one model only: an effect of size needs at least 3 models of different size"
    if sizes < MIN_SUBJECTS:
        return f"{subjects} models of {sizes} sizes: an effect of size needs at least 3 models of different size"
    return None


def size_curve(
    model: OutcomeModel, coefficients: np.ndarray, weights: np.ndarray, points: int = CURVE_POINTS
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Estimates of a typical subject of the reference variant, at sizes from the smallest to the largest subject.

    Typical means that its deviations from the line in log2 size are zero. Its design is that of all subjects pooled:
    their concepts, strengths, layers and protocols, weighted by trials.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model.
    coefficients : ndarray, shape (draws, G + P, S)
        Posterior draws of the coefficients.
    weights : ndarray, shape (cells,)
        Trials in each cell.
    points : int, default CURVE_POINTS
        Number of sizes, evenly spaced in log2.

    Returns
    -------
    dict of str to (ndarray, ndarray)
        By estimand: sizes in parameters (points,) and draws of the estimate (draws, points).
    """
    cells = model.design.frame
    middle = float((np.log2(cells["parameters"]) - cells["x"]).iloc[0])
    span = np.linspace(cells["x"].min(), cells["x"].max(), points)
    typical, merged = pooled_reference_cells(cells, weights)
    names = {estimand.name for estimand in primary_estimands("size")}
    rows: dict[str, list[np.ndarray]] = {}
    for x in span:
        share = model.class_probabilities(coefficients, typical.assign(x=x))
        for figure in subject_estimands(SubjectPosterior("", model.classes, typical, share, merged, None)):
            if figure.estimand in names and not figure.by:
                rows.setdefault(figure.estimand, []).append(figure.draws)
    return {name: (2.0 ** (span + middle), np.column_stack(columns)) for name, columns in rows.items()}


def thin_draws(coefficients: np.ndarray, cells: int) -> np.ndarray:
    """A subset of draws that limits the cost of a curve over all cells (`RIBBON_BUDGET`).

    Parameters
    ----------
    coefficients : ndarray, shape (draws, ...)
        Posterior draws.
    cells : int
        Number of cells.
    """
    return coefficients[:: max(1, len(coefficients) * cells // RIBBON_BUDGET)]


@dataclass(frozen=True)
class SizeEffect:
    """Draws of the change of one stage's logit per doubling of size, and the standard deviation of its prior.

    Attributes
    ----------
    stage : str
        Outcome class whose odds it is about.
    effect : str
        `CONTROL_LEVEL`, `INJECTION_EFFECT` or `INJECTION_LEVEL`.
    draws : ndarray, shape (draws,)
        Logits per doubling.
    prior_sd : float
    """

    stage: str
    effect: str
    draws: np.ndarray
    prior_sd: float


def size_effects(model: OutcomeModel, coefficients: np.ndarray) -> Iterator[SizeEffect]:
    """Changes of the logits per doubling of size over the population of subjects: control level, effect of injection.

    Estimand: the coefficient of log2 size in the regression of a stage's logit over the population that the study's
    subjects of the usual variant were drawn from. Assumes that this logit is linear in log2 size and that subjects
    deviate from the line with normal errors. A stage that the base arm does not have (a claim that names another
    concept, in a control) has only the sum of both, the level of the injection arm.

    With six to eight subjects the prior has a say in it (`prior_share`). A slope in percentage points would add the
    size of the rate itself and has no interval that holds (decision 22).

    Parameters
    ----------
    model : OutcomeModel
        The fitted model.
    coefficients : ndarray, shape (draws, G + P, S)
        Posterior draws of the coefficients.

    Yields
    ------
    SizeEffect
        None if the study has no effect of size (`reason_without_size_effect`).
    """
    design = model.design
    if reason_without_size_effect(design.frame) is not None:
        return
    widths, starts, at = design.term_widths(), dict[str, int](), 0
    for term in design.fixed_terms:
        starts[term.name], at = at, at + widths[term.name]
    sds = {term.name: term.sd for term in design.fixed_terms}
    level, effect = "size", f"size:{INJECTION}"
    arms = design.asked_stages(design.frame)
    of_base = (design.frame["arm"] == design.base).to_numpy()
    for place, stage in enumerate(design.stages):
        drawn = {name: coefficients[:, starts[name], place] for name in (level, effect) if name in starts}
        if arms[of_base, place].any():
            named = CONTROL_LEVEL if design.base == CONTROL else f"{design.base} level"
            yield SizeEffect(stage, named, drawn[level], sds[level])
            if effect in drawn:
                yield SizeEffect(stage, INJECTION_EFFECT, drawn[effect], sds[effect])
        elif effect in drawn:
            both = float(np.hypot(sds[level], sds[effect]))
            yield SizeEffect(stage, INJECTION_LEVEL, drawn[level] + drawn[effect], both)


def size_odds_ratios(model: OutcomeModel, coefficients: np.ndarray) -> list[SizeOddsRatio]:
    """`size_effects` as odds ratios per doubling, each with the share of it that the prior decides.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model.
    coefficients : ndarray, shape (draws, G + P, S)
        Posterior draws of the coefficients.
    """
    subjects = int(model.design.frame["subject"].nunique())
    out = []
    for found in size_effects(model, coefficients):
        low, middle, high = np.exp(np.quantile(found.draws, [0.025, 0.5, 0.975]))
        out.append(
            SizeOddsRatio(
                stage=found.stage,
                effect=found.effect,
                median=float(middle),
                low95=float(low),
                high95=float(high),
                probability=float((found.draws > 0).mean()),
                subjects=subjects,
                prior_share=min(1.0, float(found.draws.var() / found.prior_sd**2)),
            )
        )
    return out


def pairwise_differences(every: Iterable[EstimandDraws]) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Draws of the difference a - b of each pair of subjects, each pair once: estimand, a, b, draws."""
    overall = [figure for figure in every if not figure.by]
    for estimand in primary_estimands("pairs"):
        for one, other in combinations([figure for figure in overall if figure.estimand == estimand.name], 2):
            yield estimand.name, one.subject, other.subject, one.draws - other.draws


def pairwise_contrasts(every: Iterable[EstimandDraws]) -> list[ContrastRow]:
    """Differences a - b of each pair of subjects, each pair once, with P(a > b)."""
    return [contrast_row(*difference) for difference in pairwise_differences(every)]


def contrast_row(estimand: str, a: str, b: str, gap: np.ndarray) -> ContrastRow:
    """A difference of two subjects, summarised from its draws.

    Parameters
    ----------
    estimand : str
    a, b : str
        Names of the subjects.
    gap : ndarray, shape (draws,)
        Draws of the estimand of `a` minus that of `b`.
    """
    return ContrastRow(estimand=estimand, a=a, b=b, **posterior_interval(gap), probability=float((gap > 0).mean()))


def pooled_reference_cells(frame: pd.DataFrame, weights: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Cells of no particular subject, with the trials of all subjects.

    Parameters
    ----------
    frame : pandas.DataFrame
        Prepared cells of the model's design.
    weights : ndarray, shape (cells,)
        Trials in each cell.

    Returns
    -------
    (pandas.DataFrame, ndarray)
        Pooled cells of the injection and control arms, and their trials.
    """
    axes = ["arm", "concept", "s", "d", "dose", "site", "protocol", "span"]
    rounded = frame.assign(s=frame["s"].round(9), d=frame["d"].round(9), weight=weights)
    both = rounded[rounded["arm"].isin([INJECTION, CONTROL])]
    merged = both.groupby(axes, dropna=False, sort=True).agg(weight=("weight", "sum")).reset_index()
    blank = merged.assign(subject=None, variant=None, strength=0.0)
    return blank, blank["weight"].to_numpy(float)
