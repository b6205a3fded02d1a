"""Posterior draws as ArviZ `InferenceData` with named dimensions, for `az.summary`, `az.loo` and NetCDF files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gnomon.data.records import Arm
from gnomon.stats.cells.aggregation import MISSING
from gnomon.stats.inference.arviz_import import import_arviz
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.inference.sampler import PosteriorDraws
from gnomon.stats.model.judge_confusion import VerdictArrays
from gnomon.stats.model.linear_predictor import PredictorTerm

OBSERVATION = "observation"
LIKELIHOOD = "outcomes"

DIMENSIONS = {
    "coefficient": ("predictor", "stage"),
    "log_scale": ("random_term", "stage"),
    "wrong": ("arm", "judge", "true_class", "other_class"),
    "log_judge_scale": ("accuracy_group", "judge"),
    "accuracy": ("accuracy_deviation", "judge", "true_class"),
    "agreement": ("arm", "judge_pair"),
    "log_wrong_scale": ("wrong_group", "judge"),
    "wrong_deviation": ("wrong_level", "judge", "true_class", "other_class"),
    "rater_wrong": ("true_class", "other_class"),
    "rater_deviation": ("rater",),
    "level_logit": ("arm", "graded_judge", "level_part", "event_verdict", "level"),
    "level_shift": ("accuracy_deviation", "graded_judge", "event_verdict"),
    "level_dose": ("wrong_level", "graded_judge", "event_truth", "event_verdict"),
}
"""Dimensions of each parameter, after chain and draw."""


def to_inference_data(
    model: OutcomeModel,
    draws: PosteriorDraws,
    judges: Sequence[str] = (),
    prior: np.ndarray | None = None,
) -> Any:
    """Draws of a model's parameters with what ArviZ needs to summarise and compare them.

    Parameters without elements (the agreement of a single judge, for example) are left out. A unit of the
    log likelihood is a cell of the design, or, with verdicts, a row of equal verdicts and labels in one cell:
    `az.loo` therefore leaves out whole cells or rows, not single trials. Where these hold many trials they are
    influential, and `az.loo` warns that its Pareto shape is too large for its estimate to be relied on.

    Parameters
    ----------
    model : OutcomeModel
        The model that was sampled, with its data.
    draws : PosteriorDraws
        Draws (chains, draws, size) of its parameters.
    judges : sequence of str, optional
        Names of the J judges, in the order of the verdicts; "judge 1" to "judge J" by default.
    prior : ndarray, shape (draws, size), optional
        Parameters drawn from the priors (`draw_prior_parameters`); they become the group `prior`.

    Returns
    -------
    arviz.InferenceData
        Groups posterior, log_likelihood, observed_data and, where given, prior.

    Raises
    ------
    ValueError
        If the number of names is not the number of judges.
    """
    names = _judge_names(model, judges)
    observed, dims = _observed_data(model)
    groups: dict[str, dict[str, np.ndarray]] = {
        "posterior": _named_parameters(model, draws.values),
        "log_likelihood": {LIKELIHOOD: pointwise_log_likelihood(model, draws.values)},
        "observed_data": observed,
    }
    if prior is not None:
        groups["prior"] = _named_parameters(model, prior[None])
    dims |= {name: DIMENSIONS[name] for name in groups["posterior"]} | {LIKELIHOOD: (OBSERVATION,)}
    used = {dimension for some in dims.values() for dimension in some}
    coords = {name: values for name, values in _coordinate_labels(model, names).items() if name in used}
    return import_arviz().from_dict(**groups, coords=coords, dims={name: list(some) for name, some in dims.items()})


def pointwise_log_likelihood(model: OutcomeModel, values: np.ndarray) -> np.ndarray:
    """Log likelihood of each unit of the data, without multinomial coefficients, which no parameter enters.

    Parameters
    ----------
    model : OutcomeModel
        With counts, or with verdicts.
    values : ndarray, shape (..., size)
        Parameters.

    Returns
    -------
    ndarray, shape (..., cells) or (..., rows)
        Its sum is the log likelihood of the sampled density.

    Raises
    ------
    ValueError
        If the model has neither counts nor verdicts.
    """
    flat = values.reshape(-1, values.shape[-1])
    if model.verdicts is not None:
        rows = np.stack([_row_log_likelihood(model, model.verdicts, x) for x in flat])
    elif model.counts is not None:
        rows = np.stack([(model.counts * _log_probabilities(model, x)).sum(axis=1) for x in flat])
    else:
        raise ValueError("a model needs counts or verdicts")
    return rows.reshape(*values.shape[:-1], rows.shape[-1])


def _log_probabilities(model: OutcomeModel, x: np.ndarray) -> np.ndarray:
    from gnomon.stats.inference.log_density import linear_predictor, log_class_probabilities

    a = model.arrays
    eta = linear_predictor(np.ascontiguousarray(model.coefficient_draws(x)), a.indptr, a.column, a.value)
    return np.asarray(log_class_probabilities(eta, a.asked))


def _row_log_likelihood(model: OutcomeModel, v: VerdictArrays, x: np.ndarray) -> np.ndarray:
    from gnomon.stats.inference.latent_log_density import row_log_likelihoods

    return np.asarray(row_log_likelihoods(model.verdict_parameters(x), v, _log_probabilities(model, x)))


def _named_parameters(model: OutcomeModel, values: np.ndarray) -> dict[str, np.ndarray]:
    return {name: found for name, found in model.unpack_parameters(values).items() if found.size}


def _observed_data(model: OutcomeModel) -> tuple[dict[str, np.ndarray], dict[str, tuple[str, ...]]]:
    """The data and their dimensions; -1 means no cell, verdict or label, K and on a label that leaves classes open."""
    v = model.verdicts
    if v is None:
        return {"count": np.asarray(model.counts)}, {"count": (OBSERVATION, "outcome_class")}
    data = {"weight": v.number, "cell": v.cell, "label": v.label, "verdict": v.partial[v.pattern]}
    dims: dict[str, tuple[str, ...]] = dict.fromkeys(("weight", "cell", "label"), (OBSERVATION,))
    dims["verdict"] = (OBSERVATION, "judge")
    if v.raters.raters:
        data["rating"] = np.where(v.raters.row[:, None] < 0, MISSING, v.raters.ratings[v.raters.row])
        dims["rating"] = (OBSERVATION, "rater")
    return data, dims


def _judge_names(model: OutcomeModel, judges: Sequence[str]) -> list[str]:
    many = 0 if model.verdicts is None else model.verdicts.full.shape[1]
    if judges and len(judges) != many:
        raise ValueError(f"{len(judges)} names of judges for a model of {many}: give one name for each judge")
    return list(judges) or [f"judge {number + 1}" for number in range(many)]


def _coordinate_labels(model: OutcomeModel, judges: list[str]) -> dict[str, list[str]]:
    design, v = model.design, model.verdicts
    widths = design.term_widths()
    terms = (*design.fixed_terms, *design.random_terms)
    labels = {
        "predictor": [label for term in terms for label in _column_labels(term, widths[term.name])],
        "stage": list(design.stages),
        "random_term": [term.name for term in design.random_terms],
        "outcome_class": list(model.classes),
    }
    if v is None:
        return labels
    arms = [str(arm) for arm in Arm if (design.frame["arm"] == str(arm)).any()]
    pairs = [f"{judges[one]} and {judges[other]}" for one, other in v.pairs]
    raters = [f"rater {number + 1}" for number in range(v.raters.raters)]
    classes = list(model.classes)
    graded = [judges[place] for place in v.grades.judge]
    labels |= {"graded_judge": graded, "level_part": ["common", "lean"]}
    return {**labels, "arm": arms, "judge": judges, "true_class": classes, "judge_pair": pairs, "rater": raters}


def _column_labels(term: PredictorTerm, width: int) -> list[str]:
    return [term.name] if width == 1 else [f"{term.name}[{number}]" for number in range(width)]
