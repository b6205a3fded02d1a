"""Estimates for concepts like these: over the population that the study's concepts were drawn from.

Estimand: that of `estimands.definitions`, with the rate in the steered arms averaged over a population of concepts
instead of over the concepts of the study; the design is otherwise the subject's own. The estimates of the definitions
hold for these concepts only, so their intervals shrink with trials; these shrink with concepts.

Assumes that the study's C concepts are a random sample of the population, and that their deviations on the logit scale
are normal with the standard deviations of the fit, independently for each stage of the outcome.

Formula: in each draw, a term of deviations by concept (concept; concept within subject; concept by layer; cells) is
taken out of the predictor and its distribution put in. (1) The fitted effects of concepts sum to zero over the study's
concepts, so the fitted level is that of their mean; the population's level is this minus a mean of C deviations,
N(0, tau^2 / C). (2) The share of a class is the mean over the population: the stages' deviations are independent, so
each stage's inverse logit is replaced by its mean over N(0, sum of tau^2), by Gauss-Hermite quadrature.
With few concepts the priors on tau decide much of the width.

Source: the usual distinction of fixed and random effects of items; Clark (1973), J. Verbal Learning and Verbal Behavior
12; Gelman and Hill (2007), chapter 12, for predictions of new groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gnomon.data.arms import steered_arms
from gnomon.stats.estimand_registry import primary_estimands
from gnomon.stats.estimands.definitions import (
    EstimandDraws,
    SubjectPosterior,
    posterior_interval,
    subject_estimands,
)
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.model.linear_predictor import PredictorTerm
from gnomon.stats.results import NewConceptEstimate

MIN_CONCEPTS = 2
NODES = 15
MAX_DRAWS = 1000
"""More draws than these do not change an interval that the number of concepts decides."""
NEW_CONCEPT = "\0new"
"""Level of the axis that no study has."""
NEGLIGIBLE = 1e-9
CHUNK = 400_000
"""Logits computed at once."""


def new_concept_estimands(
    model: OutcomeModel, x: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> list[EstimandDraws]:
    """Overall estimates of each subject over the population of concepts; empty with fewer than `MIN_CONCEPTS`.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model.
    x : ndarray, shape (draws, size)
        Posterior draws of the parameters; thinned to `MAX_DRAWS`.
    weights : ndarray, shape (cells,)
        Trials in each cell.
    rng : numpy.random.Generator
        Source of the population's deviations.
    """
    cells = model.design.frame
    steered = cells["arm"].isin(steered_arms()).to_numpy() & (weights > 0)
    concepts = sorted(cells.loc[steered, "concept"].dropna().unique())
    if len(concepts) < MIN_CONCEPTS:
        return []
    some = x[:: max(1, len(x) // MAX_DRAWS)]
    merged = _merged_cells(cells, weights)
    share = _population_shares(model, some, merged, concepts, rng)
    names = {estimand.name for estimand in primary_estimands() if estimand.comparisons}
    out: list[EstimandDraws] = []
    for subject in merged["subject"].unique():
        mine = (merged["subject"] == subject).to_numpy()
        part = merged[mine].reset_index(drop=True)
        source = SubjectPosterior(
            str(subject), model.classes, part, share[:, mine], part["weight"].to_numpy(float), None
        )
        if part.loc[part["arm"].isin(steered_arms()), "weight"].sum() > 0:
            out += [draws for draws in subject_estimands(source) if draws.estimand in names and not draws.by]
    return out


def new_concept_rows(made: Sequence[EstimandDraws], frame: pd.DataFrame) -> list[NewConceptEstimate]:
    """One row per subject and estimand: mean, limits, and the number of concepts that the subject was run with.

    Parameters
    ----------
    made : sequence of EstimandDraws
        Draws of `new_concept_estimands`.
    frame : pandas.DataFrame
        Cells of the model's design.
    """
    steered = frame[frame["arm"].isin(steered_arms())]
    concepts = steered.groupby("subject")["concept"].nunique()
    return [
        NewConceptEstimate(
            subject=draws.subject,
            estimand=draws.estimand,
            **posterior_interval(draws.draws),
            concepts=int(concepts.get(draws.subject, 0)),
        )
        for draws in made
    ]


def _merged_cells(cells: pd.DataFrame, weights: np.ndarray) -> pd.DataFrame:
    """Cells of all subjects without regard to their concept, with their trials."""
    steered = cells["arm"].isin(steered_arms())
    blank = cells.assign(concept=cells["concept"].mask(steered, None), weight=weights)
    axes = [column for column in blank.columns if column not in ("weight", "concept")]
    merged = blank.groupby(axes, dropna=False, sort=False).agg(weight=("weight", "sum")).reset_index()
    return merged.assign(concept=None)


@dataclass(frozen=True)
class ConceptTerm:
    """A term of deviations that depend on the concept, as the merged cells have it.

    Attributes
    ----------
    scale : int
        Place of its standard deviations among the model's groups.
    rows : ndarray, shape (cells, width)
        Its columns for one concept of the study.
    spread : ndarray, shape (cells,)
        Variance of a new concept's deviation in each cell, in units of tau squared.
    is_centred : bool
        Whether its effects sum to zero over the study's concepts.
    """

    scale: int
    rows: np.ndarray
    spread: np.ndarray
    is_centred: bool


def _concept_terms(model: OutcomeModel, merged: pd.DataFrame, concepts: Sequence[str]) -> Iterator[ConceptTerm]:
    """The terms whose columns change with the concept."""
    steered = merged["arm"].isin(steered_arms()).to_numpy()
    for place, term in enumerate(model.design.random_terms):
        plain = _columns(term, merged, steered, NEW_CONCEPT)
        first, total = _columns(term, merged, steered, concepts[0]) - plain, np.zeros_like(plain)
        norms, known = np.zeros(len(merged)), np.zeros(len(merged))
        for word in concepts:
            rows = _columns(term, merged, steered, word) - plain
            norm = (rows**2).sum(axis=1)
            total, norms, known = total + rows, norms + norm, known + (norm > NEGLIGIBLE)
        if not known.any():
            continue
        is_centred = bool(np.abs(total).max() < NEGLIGIBLE)
        unit = len(concepts) / (len(concepts) - 1) if is_centred else 1.0
        yield ConceptTerm(place, first * np.sqrt(unit), unit * norms / np.maximum(known, 1), is_centred)


def _columns(term: PredictorTerm, merged: pd.DataFrame, steered: np.ndarray, concept: str) -> np.ndarray:
    """A term's columns if every steered cell had one concept."""
    return term.basis(_with_concept(merged, steered, concept))


def _with_concept(merged: pd.DataFrame, steered: np.ndarray, concept: str) -> pd.DataFrame:
    column = np.full(len(merged), None, dtype=object)
    column[steered] = concept
    return merged.assign(concept=column)


def _population_shares(
    model: OutcomeModel, x: np.ndarray, merged: pd.DataFrame, concepts: Sequence[str], rng: np.random.Generator
) -> np.ndarray:
    """Class probabilities (draws, merged cells, K), averaged over the population of concepts in the steered cells."""
    coefficients, taus = model.coefficient_draws(x), np.exp(model.unpack_parameters(x)["log_scale"])
    steered = merged["arm"].isin(steered_arms()).to_numpy()
    matrix = model.design.design_matrix(_with_concept(merged, steered, NEW_CONCEPT))
    asked = model.design.asked_stages(merged)
    terms = list(_concept_terms(model, merged, concepts))
    stages = coefficients.shape[2]
    points, masses = np.polynomial.hermite_e.hermegauss(NODES)
    masses = masses / masses.sum()
    out = np.empty((len(x), len(merged), stages + 1))
    at_once = max(1, CHUNK // (len(merged) * stages * NODES))
    for first in range(0, len(x), at_once):
        here = slice(first, first + at_once)
        eta = np.einsum("np,dps->dns", matrix, coefficients[here], optimize=True)
        variance = np.zeros_like(eta)
        for term in terms:
            tau = taus[here, term.scale]
            variance += tau[:, None, :] ** 2 * term.spread[:, None]
            if term.is_centred:
                z = rng.normal(size=(len(eta), term.rows.shape[1], stages))
                mean = np.einsum("nw,dws->dns", term.rows, z, optimize=True) / np.sqrt(len(concepts))
                eta -= tau[:, None, :] * mean
        reach = np.sqrt(variance)
        yes = sum(mass / (1.0 + np.exp(-(eta + point * reach))) for point, mass in zip(points, masses, strict=True))
        yes = np.where(asked, yes, 0.0)
        reached = np.cumprod(np.concatenate([np.ones_like(yes[..., :1]), 1.0 - yes], axis=-1), axis=-1)
        out[here] = reached * np.concatenate([yes, np.ones_like(yes[..., :1])], axis=-1)
    return out
