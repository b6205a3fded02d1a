"""Simulated studies with known truth, as counts: to test interval coverage and to plan labelling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gnomon.stats.cells.aggregation import AXES, MISSING, CellCounts, VerdictPatternCells
from gnomon.stats.model.graded_voices import grade_centre, grade_scales
from gnomon.stats.model.judge_confusion import confusion_strata

if TYPE_CHECKING:
    from gnomon.stats.inference.hierarchical import OutcomeModel


@dataclass(frozen=True)
class SimulatedStudy:
    """A simulated study: the observed patterns, the first judge's counts, and the true counts."""

    patterns: VerdictPatternCells
    judged: CellCounts
    truth: CellCounts


def even_error_confusion(classes: int, right: float) -> np.ndarray:
    """Confusion matrix of a judge with the same error rate in every class, errors spread evenly.

    Parameters
    ----------
    classes : int
        Number of classes K.
    right : float
        Probability of the correct class, 0 to 1.

    Returns
    -------
    ndarray, shape (K, K)
        P(verdict | truth).
    """
    wrong = (1.0 - right) / (classes - 1)
    return np.full((classes, classes), wrong) + np.eye(classes) * (right - wrong)


def cell_frame(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Cells from the axes given; the others have the same value everywhere."""
    usual: dict[str, object] = {"subject": "s", "parameters": 1e9, "variant": "instruct", "concept": None}
    usual |= {"layer": np.nan, "depth": np.nan, "strength": 0.0, "span": "generation", "protocol": "p"}
    frame = pd.DataFrame([{**usual, **row} for row in rows], columns=list(AXES))
    return frame.astype(dict.fromkeys(("subject", "variant", "arm", "concept", "span", "protocol"), object))


def simulate_study(
    frame: pd.DataFrame,
    n: np.ndarray,
    classes: tuple[str, ...],
    probabilities: np.ndarray,
    confusion: Mapping[str, np.ndarray],
    labelled: tuple[float, float],
    rng: np.random.Generator,
) -> SimulatedStudy:
    """Draw a study.

    Parameters
    ----------
    frame : pandas.DataFrame
        Cells (`cell_frame`).
    n : ndarray, shape (cells,)
        Trials in each cell.
    classes : tuple of str
        The K classes.
    probabilities : ndarray, shape (cells, K)
        Probabilities of the true classes.
    confusion : mapping of arm to ndarray, shape (J, K, K)
        P(verdict | truth) of each judge; judges err independently.
    labelled : (float, float)
        Probability that a trial is labelled if all judges agree, and if they do not.
    rng : numpy.random.Generator
        Source of randomness.
    """
    judges = len(next(iter(confusion.values())))
    full = np.array(list(product(range(len(classes)), repeat=judges)))

    def chance(cell: int, truth: int) -> np.ndarray:
        table = confusion[str(frame["arm"].iloc[cell])][np.arange(judges), truth][np.arange(judges), full]
        return np.asarray(table.prod(axis=1))

    return _observe_study(frame, n, classes, probabilities, (full, chance), labelled, rng)


def draw_from_prior(model: OutcomeModel, rng: np.random.Generator) -> np.ndarray:
    """Parameters of a model drawn from its priors.

    Parameters
    ----------
    model : OutcomeModel
        The model.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (size,)
        Parameter vector.
    """
    v = model.verdicts
    point = {name: rng.normal(size=shape) for name, shape in model.parameter_shapes.items()}
    point["log_scale"] = np.log(np.abs(point["log_scale"]) * model.arrays.scale)
    if v is not None:
        common = rng.normal(size=(v.arms, 1, 1, 1))
        alike = np.sqrt(v.wrong_alike) * common + np.sqrt(1.0 - v.wrong_alike) * point["wrong"]
        point["wrong"] = v.wrong_mean + v.wrong_sd[:, None, None, None] * alike
        point["log_judge_scale"] = np.log(np.abs(point["log_judge_scale"]) * v.scale)
        rayleigh = rng.rayleigh(v.dose_scale, point["log_wrong_scale"].shape)
        point["log_wrong_scale"] = np.log(rayleigh)
        point["agreement"] = v.agreement_sd * point["agreement"]
        alike = np.sqrt(v.raters.wrong_alike) * rng.normal()
        alike = alike + np.sqrt(1.0 - v.raters.wrong_alike) * point["rater_wrong"]
        point["rater_wrong"] = v.raters.wrong_mean + v.raters.wrong_sd * alike
        point["rater_deviation"] = v.raters.scale * point["rater_deviation"]
        middle, shapes = grade_centre(v.grades, model.parameter_shapes), model.parameter_shapes
        point |= {name: middle[name] + sd * point[name] for name, sd in grade_scales(v.grades, shapes).items()}
    return model.to_parameters(np.concatenate([values.ravel() for values in point.values()]))


def simulate_from_model(
    model: OutcomeModel,
    parameters: np.ndarray,
    n: np.ndarray,
    judges: tuple[str, ...],
    labelled: tuple[float, float],
    rng: np.random.Generator,
) -> SimulatedStudy:
    """Draw a study from a corrected model at these parameters.

    Parameters
    ----------
    model : OutcomeModel
        A model with verdicts, possibly without data (`empty_patterns`).
    parameters : ndarray, shape (size,)
        Parameter vector.
    n : ndarray, shape (cells,)
        Trials in each cell.
    judges : tuple of str
        Names of the judges.
    labelled : (float, float)
        Probability that a trial is labelled if all judges agree, and if they do not.
    rng : numpy.random.Generator
        Source of randomness.

    Raises
    ------
    ValueError
        If the model has no verdicts.
    """
    from gnomon.stats.inference.judge_youden import pattern_tables

    v, frame = model.verdicts, model.design.frame
    if v is None:
        raise ValueError("a model without verdicts has no judges to draw from")
    probabilities = model.class_probabilities(model.coefficient_draws(parameters[None]), frame)[0]
    tables = pattern_tables(model, parameters[None])[0]
    stratum = confusion_strata(empty_patterns(frame, model.classes, judges))[1]
    chance = lambda cell, truth: tables[stratum[cell], truth]  # noqa: E731
    cells = frame[list(AXES)]
    made = _observe_study(cells, n, model.classes, probabilities, (v.full, chance), labelled, rng)
    return SimulatedStudy(replace(made.patterns, judges=judges), made.judged, made.truth)


def empty_patterns(frame: pd.DataFrame, classes: tuple[str, ...], judges: tuple[str, ...]) -> VerdictPatternCells:
    """Patterns of a study without trials.

    Parameters
    ----------
    frame : pandas.DataFrame
        Cells.
    classes : tuple of str
        The K classes.
    judges : tuple of str
        Names of the judges.
    """
    none = np.zeros(0, dtype=np.int64)
    return VerdictPatternCells(frame, classes, judges, none, none, none, np.zeros((0, len(judges)), dtype=np.int64))


def _observe_study(
    frame: pd.DataFrame,
    n: np.ndarray,
    classes: tuple[str, ...],
    probabilities: np.ndarray,
    voices: tuple[np.ndarray, Callable[[int, int], np.ndarray]],
    labelled: tuple[float, float],
    rng: np.random.Generator,
) -> SimulatedStudy:
    """Trials, verdicts and labels of every cell; `voices` are all patterns and P(pattern | cell, truth)."""
    full, chance = voices
    many, judges = len(classes), full.shape[1]
    told = np.where((full == full[:, :1]).all(axis=1), *labelled)
    truth = np.stack([rng.multinomial(size, share) for size, share in zip(n, probabilities, strict=True)])
    rows: list[tuple[int, ...]] = []
    for c, z in product(range(len(frame)), range(many)):
        if truth[c, z]:
            seen = rng.multinomial(truth[c, z], chance(c, z))
            known = rng.binomial(seen, told)
            rows += [(c, z, int(k), *full[f]) for f, k in enumerate(known) if k]
            rows += [(c, MISSING, int(k), *full[f]) for f, k in enumerate(seen - known) if k]
    merged = pd.DataFrame(rows).groupby([0, 1, *range(3, 3 + judges)])[2].sum().reset_index().to_numpy(dtype=np.int64)
    verdict, number = merged[:, 2:-1], merged[:, -1]
    names = tuple(f"judge {j + 1}" for j in range(judges))
    patterns = VerdictPatternCells(frame, classes, names, merged[:, 0], merged[:, 1], number, verdict)
    said = np.zeros((len(frame), many), dtype=np.int64)
    np.add.at(said, (merged[:, 0], verdict[:, 0]), number)
    return SimulatedStudy(patterns, CellCounts(frame, classes, said), CellCounts(frame, classes, truth))
