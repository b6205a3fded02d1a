"""What a fit says of labelled trials whose raters may be wrong: P(truth | verdicts, labels), P(label | verdicts)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.cells.open_labels import NO_SET
from gnomon.stats.inference.hierarchical import OutcomeModel


def uncertain_rows(patterns: VerdictPatternCells) -> np.ndarray:
    """Rows of labelled trials whose label is not the truth for certain."""
    return np.flatnonzero((patterns.label != MISSING) & ~patterns.exact)


def truth_probabilities(model: OutcomeModel, x: np.ndarray, patterns: VerdictPatternCells) -> np.ndarray:
    """P(truth | cell, verdicts, labels) of each row of `uncertain_rows`, by the fit.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model, with verdicts.
    x : ndarray, shape (draws, size)
        Posterior draws of the parameters.
    patterns : VerdictPatternCells
        Counts that the model was fitted to.

    Returns
    -------
    ndarray, shape (draws, rows, K)
        Probabilities.

    Raises
    ------
    ValueError
        If the model has no verdicts.
    """
    from gnomon.stats.inference.latent_log_density import row_log_likelihoods
    from gnomon.stats.inference.log_density import linear_predictor, log_class_probabilities

    v, a, classes = model.require_verdicts(), model.arrays, len(model.classes)
    rows = uncertain_rows(patterns)
    out = np.zeros((len(x), len(rows), classes))
    known = [v._replace(label=_labelled_as(v.label, rows, z)) for z in range(classes)]
    for draw, values in enumerate(x):
        eta = linear_predictor(np.ascontiguousarray(model.coefficient_draws(values)), a.indptr, a.column, a.value)
        logs, own = log_class_probabilities(eta, a.asked), model.verdict_parameters(values)
        for z, arrays in enumerate(known):
            out[draw, :, z] = row_log_likelihoods(own, arrays, logs)[rows] / v.number[rows]
    if patterns.opened is not None and (patterns.opened.label != NO_SET).any():  # an adjudicator excludes classes
        own = v.label[rows]
        out = np.where((own < 0)[:, None] | v.sets[np.maximum(own, 0)], out, -np.inf)
    chance = np.exp(out - out.max(axis=-1, keepdims=True))
    return np.asarray(chance / chance.sum(axis=-1, keepdims=True))


def imputed_patterns(
    patterns: VerdictPatternCells, chance: np.ndarray, rng: np.random.Generator
) -> VerdictPatternCells:
    """Patterns in which the truth of every labelled trial is drawn, so that labels are exact (multiple imputation:
    Rubin 1987, Multiple Imputation for Nonresponse in Surveys).

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and labels.
    chance : ndarray, shape (rows, K)
        One draw of `truth_probabilities`.
    rng : numpy.random.Generator
        Source of randomness.
    """
    rows = uncertain_rows(patterns)
    kept = np.setdiff1d(np.arange(len(patterns.label)), rows)
    drawn = rng.multinomial(patterns.count[rows], chance)
    place, truth = np.nonzero(drawn)
    source = np.concatenate([kept, rows[place]])
    return replace(
        patterns,
        cell=patterns.cell[source],
        label=np.concatenate([patterns.label[kept], truth]),
        count=np.concatenate([patterns.count[kept], drawn[place, truth]]),
        verdict=patterns.verdict[source],
        raters=(),
        opened=None,
        graded=None,
    )


def label_probabilities(
    model: OutcomeModel, x: np.ndarray, patterns: VerdictPatternCells, truth: np.ndarray
) -> np.ndarray:
    """P(reference label | verdicts) of the labelled rows, from P(truth | verdicts): raters may be wrong.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model, with verdicts.
    x : ndarray, shape (draws, size)
        Posterior draws of the parameters.
    patterns : VerdictPatternCells
        Counts that the model was fitted to.
    truth : ndarray, shape (draws, labelled rows, K)
        P(class | verdicts) of the rows with a label.

    Returns
    -------
    ndarray, shape (draws, labelled rows, K)
        Probabilities of the label; those of the truth where the label is exact.
    """
    from gnomon.stats.model.rater_density import rater_confusions

    v = model.verdicts
    if v is None or not v.raters.raters:
        return truth
    labelled = np.flatnonzero(patterns.label != MISSING)
    gave = patterns.ratings[labelled] == patterns.label[labelled, None]
    rater, unsure = gave.argmax(axis=1), gave.any(axis=1) & ~patterns.exact[labelled]
    arm, point, out = v.arm[v.stratum[labelled]], model.unpack_parameters(x), truth.copy()
    for draw in range(len(x)):
        confusion = rater_confusions(
            np.ascontiguousarray(point["rater_wrong"][draw]),
            np.ascontiguousarray(point["rater_deviation"][draw]),
            v.possible,
            v.raters,
        )[rater[unsure], arm[unsure]]
        out[draw, unsure] = np.einsum("rz,rzc->rc", truth[draw, unsure], confusion)
    return out


def _labelled_as(label: np.ndarray, rows: np.ndarray, z: int) -> np.ndarray:
    """Labels in which the truth of some rows is known to be a class."""
    out = label.copy()
    out[rows] = z
    return out
