"""Direct standardisation: each subject's estimates with the mix of conditions of all subjects.

The estimates themselves average over each subject's own trials. If two subjects were run with different concepts,
layers or strengths, a difference between their estimates is partly one of designs. Here every subject is predicted on
the same cells: those of all subjects pooled, weighted by their trials, strength measured from each subject's own
middle. Estimand: that of `estimands.definitions` with this mix. Assumes that the model holds in cells that a subject
was not run in: these deviate by new draws of their groups (`OutcomeModel.predict_new_levels`), so that a subject that
was run elsewhere is known less well. `inside` is the share of the mix within the conditions of that subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from gnomon.stats.estimand_registry import INJECTION, primary_estimands
from gnomon.stats.estimands.definitions import (
    EstimandDraws,
    SubjectPosterior,
    posterior_interval,
    subject_estimands,
)
from gnomon.stats.estimands.size_regression import contrast_row, pooled_reference_cells
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.model.level_deviations import cell_levels
from gnomon.stats.results import ContrastRow, StandardizedEstimate

WORDING_AXES = ("concept", "protocol", "span")
TOLERANCE = 1e-6


def standardized_estimands(model: OutcomeModel, x: np.ndarray, weights: np.ndarray) -> list[EstimandDraws]:
    """Overall estimates of every subject with the mix of conditions of all; empty with a single subject.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model.
    x : ndarray, shape (draws, size)
        Posterior draws of the parameters.
    weights : ndarray, shape (cells,)
        Trials in each cell of the model's design.
    """
    cells, rng = model.design.frame, np.random.default_rng(0)
    subjects = cells.drop_duplicates("subject")
    if len(subjects) < 2:
        return []
    mix, merged = pooled_reference_cells(cells, weights)
    names = {estimand.name for estimand in primary_estimands("size")}
    out: list[EstimandDraws] = []
    for name, variant, size in subjects[["subject", "variant", "x"]].itertuples(index=False):
        asked = mix.assign(subject=name, variant=variant, x=size)
        share = model.predict_new_levels(x, asked, rng)
        source = SubjectPosterior(str(name), model.classes, asked, share, merged, None)
        out += [figure for figure in subject_estimands(source) if figure.estimand in names and not figure.by]
    return out


def share_within_support(frame: pd.DataFrame, weights: np.ndarray, subject: str) -> float:
    """Share of the pooled injection trials whose wording a subject was run with, within its strengths and depths.

    Parameters
    ----------
    frame : pandas.DataFrame
        Prepared cells of the model's design.
    weights : ndarray, shape (cells,)
        Trials in each cell.
    subject : str
        Name of the subject.
    """
    mix, merged = pooled_reference_cells(frame, weights)
    steered = (mix["arm"] == INJECTION).to_numpy()
    mix, merged = mix[steered], merged[steered]
    own = frame[(frame["subject"] == subject) & (frame["arm"] == INJECTION) & (weights > 0)]
    if not len(own) or not merged.sum():
        return 0.0
    known = set(cell_levels(own, WORDING_AXES))
    held = np.array([row in known for row in cell_levels(mix, WORDING_AXES)])
    for axis in ("s", "d"):
        held &= mix[axis].between(own[axis].min() - TOLERANCE, own[axis].max() + TOLERANCE).to_numpy()
    return float(merged[held].sum() / merged.sum())


def standardized_rows(
    made: Sequence[EstimandDraws], frame: pd.DataFrame, weights: np.ndarray
) -> list[StandardizedEstimate]:
    """One row per subject and estimand: mean, limits, and the share of the mix within the subject's own conditions.

    Parameters
    ----------
    made : sequence of EstimandDraws
        Draws of `standardized_estimands`.
    frame : pandas.DataFrame
        Prepared cells of the model's design.
    weights : ndarray, shape (cells,)
        Trials in each cell.
    """
    shares = {name: share_within_support(frame, weights, name) for name in {figure.subject for figure in made}}
    return [
        StandardizedEstimate(
            subject=figure.subject,
            estimand=figure.estimand,
            **posterior_interval(figure.draws),
            inside=shares[figure.subject],
        )
        for figure in made
    ]


def standardized_contrasts(made: Sequence[EstimandDraws]) -> list[ContrastRow]:
    """Differences a - b of standardised net detection between subjects, with P(a > b)."""
    out = []
    for name in [estimand.name for estimand in primary_estimands("ladder")]:
        for one, other in combinations([figure for figure in made if figure.estimand == name], 2):
            out.append(contrast_row(name, one.subject, other.subject, one.draws - other.draws))
    return out
