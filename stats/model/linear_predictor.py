"""The linear predictor: the effects that a study's data can identify, as columns of one matrix.

Every stage has the same predictor, a sum of terms. A term is a basis (functions of a cell) with one coefficient per
column: fixed, with a normal prior, or a group of deviations with its own standard deviation. Terms that a study cannot
identify (a slope with one subject, strength with one strength) are left out, not estimated from the prior. In steered
arms, levels of the conditions deviate from all this as far as the data carry it (`model.level_deviations`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from gnomon.data.arms import steered_arms
from gnomon.data.records import Arm
from gnomon.stats.cells.outcome_classes import is_class_possible
from gnomon.stats.model import basis_functions
from gnomon.stats.model.basis_functions import Basis
from gnomon.stats.model.level_deviations import (
    Level,
    carried_groupings,
    cell_levels,
    dose_levels,
    level_basis,
    level_groupings,
    site_levels,
)
from gnomon.stats.model.priors import Priors

BASELINE_VARIANT = "instruct"
LEVEL = "level"
INJECTION = str(Arm.INJECTION)


@dataclass(frozen=True)
class PredictorTerm:
    """One term of the predictor.

    Attributes
    ----------
    name : str
        Name of the term, as in the design.
    basis : callable
        From a prepared frame of n cells to an array (n, width).
    sd : float
        Standard deviation of the normal prior, or scale of the half-normal prior on the standard deviation.
    means : tuple of float
        Prior mean by stage; empty means zero.
    deviations : bool
        Whether the coefficients share an estimated standard deviation.
    axes : tuple of str
        For deviations by level: the columns of a prepared frame whose values make a level.
    arm : str, optional
        The only arm that deviates by level; None for all.
    levels : tuple of Level
        The levels that the study has.
    new_variance : float
        Variance of the deviation of a further level, in units of the group's: above 1 for deviations that sum to zero.
    """

    name: str
    basis: Basis
    sd: float
    means: tuple[float, ...] = ()
    deviations: bool = False
    axes: tuple[str, ...] = ()
    arm: str | None = None
    levels: tuple[Level, ...] = ()
    new_variance: float = 1.0

    def new_levels(self, frame: pd.DataFrame) -> list[Level | None]:
        """The level of each cell that the study does not have; None for cells without one."""
        if not self.axes:
            return [None] * len(frame)
        known, arms = set(self.levels), frame["arm"].tolist()
        found = cell_levels(frame, self.axes)
        return [
            None if level in known or self.arm not in (None, arm) else level
            for level, arm in zip(found, arms, strict=True)
        ]


class PredictorArrays(NamedTuple):
    """The predictor as arrays, for the compiled density; G fixed and P deviating coefficients, S stages, T scales.

    `indptr`, `column`, `value` are the cells' rows of the matrix (cells, G + P) in compressed form; `asked` (cells, S)
    is whether a cell's arm has the stage; `group` (P) is each deviation's scale; `fixed_mean` and `fixed_sd` (G, S) are
    the priors of fixed coefficients, `scale` (T, S) the prior scales of the groups.
    """

    indptr: np.ndarray
    column: np.ndarray
    value: np.ndarray
    asked: np.ndarray
    group: np.ndarray
    fixed_mean: np.ndarray
    fixed_sd: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True)
class ModelDesign:
    """The terms of one study, its prepared cells (`add_covariates`), and the arm without an effect term."""

    frame: pd.DataFrame
    stages: tuple[str, ...]
    terms: tuple[PredictorTerm, ...]
    base: str = str(Arm.CONTROL)

    @property
    def fixed_terms(self) -> tuple[PredictorTerm, ...]:
        """Terms with fixed coefficients."""
        return tuple(term for term in self.terms if not term.deviations)

    @property
    def random_terms(self) -> tuple[PredictorTerm, ...]:
        """Terms of deviations, with one standard deviation per term and stage."""
        return tuple(term for term in self.terms if term.deviations)

    def design_matrix(self, frame: pd.DataFrame, terms: Sequence[PredictorTerm] | None = None) -> np.ndarray:
        """Columns of the terms for the cells of a prepared frame.

        Parameters
        ----------
        frame : pandas.DataFrame
            Prepared cells (`add_covariates`).
        terms : sequence of PredictorTerm, optional
            Terms to use; by default all, fixed ones first.

        Returns
        -------
        ndarray, shape (n, G + P)
            The matrix.
        """
        used = (*self.fixed_terms, *self.random_terms) if terms is None else terms
        return np.hstack([np.zeros((len(frame), 0)), *(term.basis(frame) for term in used)])

    def term_widths(self) -> dict[str, int]:
        """Number of coefficients of each term, fixed terms first."""
        return {term.name: term.basis(self.frame).shape[1] for term in (*self.fixed_terms, *self.random_terms)}

    def predictor_arrays(self) -> PredictorArrays:
        """Arrays for the compiled density."""
        widths, stages = self.term_widths(), len(self.stages)
        fixed = [widths[term.name] for term in self.fixed_terms]
        random = [widths[term.name] for term in self.random_terms]
        means = np.array([term.means or (0.0,) * stages for term in self.fixed_terms]).reshape(-1, stages)
        sds = np.array([term.sd for term in self.fixed_terms])[:, None] * np.ones(stages)
        scales = np.array([term.sd for term in self.random_terms])[:, None] * np.ones(stages)
        return PredictorArrays(
            *compress_rows(self.design_matrix(self.frame)),
            asked=self.asked_stages(self.frame),
            group=np.repeat(np.arange(len(random)), random),
            fixed_mean=np.repeat(means, fixed, axis=0),
            fixed_sd=np.repeat(sds, fixed, axis=0),
            scale=scales.reshape(-1, stages),
        )

    def asked_stages(self, frame: pd.DataFrame) -> np.ndarray:
        """Whether the arm of each cell has each stage, shape (n, S)."""
        columns = [[is_class_possible(stage, Arm(arm)) for arm in frame["arm"]] for stage in self.stages]
        return np.array(columns, dtype=bool).reshape(len(self.stages), len(frame)).T.copy()


def add_covariates(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the covariates: `x` = centred log2 size, `s` strength, `d` depth, the last two standardised; and the levels
    `dose` of strength and `site` of layer.

    Strength is log2 |strength| minus its mean over the subject's own strengths, so that subjects whose strengths have
    different scales are compared at their own middle; control cells have s = d = 0.
    """
    sizes = np.log2(frame.groupby("subject", sort=True)["parameters"].first())
    steered = frame["arm"].isin(steered_arms()).to_numpy()
    prepared = frame.assign(
        x=np.log2(frame["parameters"]) - sizes.mean() if len(sizes) else 0.0,
        s=_standardize(_log2_strength(frame, steered), frame["subject"], steered),
        d=_standardize(frame["depth"], pd.Series("all", index=frame.index), steered),
    )
    levels = {"dose": dose_levels(prepared), "site": site_levels(prepared)}
    return prepared.assign(**{axis: found.where(steered, "") for axis, found in levels.items()})


def build_design(
    frame: pd.DataFrame, classes: tuple[str, ...], priors: Priors, trials: np.ndarray | None = None
) -> ModelDesign:
    """The design that these cells can identify, for the stages of these classes.

    Parameters
    ----------
    frame : pandas.DataFrame
        Cells with the columns of `gnomon.stats.cells.aggregation.AXES`.
    classes : tuple of str
        The K classes; all but the last are stages.
    priors : Priors
        Prior scales.
    trials : ndarray, shape (cells,), optional
        Trials in each cell, which decide how fine the deviations by level are (`level_deviations.carried_groupings`).
        Without them, or if none has been run yet, all that the cells can identify are in the design.
    """
    cells, stages = add_covariates(frame), classes[:-1]
    arms = [str(arm) for arm in Arm if (cells["arm"] == str(arm)).any()]
    base = str(Arm.CONTROL) if str(Arm.CONTROL) in arms else arms[0]
    effects = [arm for arm in arms if arm != base]
    level = tuple(priors.intercept_means()[stage] for stage in stages)
    terms = [PredictorTerm(LEVEL, basis_functions.intercept_column, priors.intercept_sd, level)]
    terms += [PredictorTerm(arm, basis_functions.arm_indicator(arm), priors.arm_sd) for arm in effects]
    terms += _size_terms(cells, effects, priors)
    terms += _dose_terms(cells, [arm for arm in arms if arm in steered_arms()], priors)
    terms += _wording_terms(cells, effects, priors)
    terms += _subject_terms(cells, base, effects, priors)
    terms += _concept_terms(cells, priors)
    counted = np.zeros(len(cells)) if trials is None else np.asarray(trials, dtype=float)
    for arm in [arm for arm in arms if arm in steered_arms()]:
        terms += _level_terms(cells, counted, arm, terms, priors)
    return ModelDesign(cells, stages, tuple(terms), base)


def _size_terms(cells: pd.DataFrame, effects: list[str], priors: Priors) -> list[PredictorTerm]:
    if cells["x"].nunique() < 2:
        return []
    by_arm = [
        PredictorTerm(
            f"size:{arm}",
            basis_functions.interaction_basis(
                basis_functions.arm_indicator(arm), basis_functions.covariate_column("x")
            ),
            priors.arm_size_sd,
        )
        for arm in effects
    ]
    return [PredictorTerm("size", basis_functions.covariate_column("x"), priors.size_sd), *by_arm]


def _dose_terms(cells: pd.DataFrame, steered: list[str], priors: Priors) -> list[PredictorTerm]:
    """Strength and depth: linear with two values, also quadratic with three; and their product."""
    terms = []
    scales = (("s", priors.strength_sd, priors.strength_squared_sd), ("d", priors.depth_sd, priors.depth_squared_sd))
    for arm in steered:
        for name, linear, squared in scales:
            values = cells.loc[cells["arm"] == arm, name].round(9).nunique()
            if values > 1:
                terms.append(
                    PredictorTerm(
                        f"{name}:{arm}",
                        basis_functions.interaction_basis(
                            basis_functions.arm_indicator(arm), basis_functions.covariate_column(name)
                        ),
                        linear,
                    )
                )
            if values > 2:
                terms.append(
                    PredictorTerm(
                        f"{name}2:{arm}",
                        basis_functions.interaction_basis(
                            basis_functions.arm_indicator(arm), basis_functions.squared_covariate(name)
                        ),
                        squared,
                    )
                )
        if all(any(term.name == f"{name}:{arm}" for term in terms) for name in ("s", "d")):
            both = basis_functions.interaction_basis(
                basis_functions.arm_indicator(arm),
                basis_functions.covariate_column("s"),
                basis_functions.covariate_column("d"),
            )
            terms.append(PredictorTerm(f"s x d:{arm}", both, priors.strength_depth_sd))
    return terms


def _wording_terms(cells: pd.DataFrame, effects: list[str], priors: Priors) -> list[PredictorTerm]:
    protocols = sorted(cells["protocol"].dropna().unique())
    spans = sorted(cells.loc[cells["arm"].isin(steered_arms()), "span"].dropna().unique())
    terms = []
    if len(protocols) > 1:
        words = basis_functions.sum_to_zero_contrast("protocol", protocols)
        terms.append(PredictorTerm("protocol", words, priors.protocol_sd))
        terms += [
            PredictorTerm(
                f"protocol:{arm}",
                basis_functions.interaction_basis(basis_functions.arm_indicator(arm), words),
                priors.protocol_arm_sd,
            )
            for arm in effects
        ]
    if len(spans) > 1:
        steered = basis_functions.interaction_basis(
            basis_functions.steered_indicator, basis_functions.sum_to_zero_contrast("span", spans)
        )
        terms.append(PredictorTerm("span", steered, priors.span_sd))
    return terms


def _subject_terms(cells: pd.DataFrame, base: str, effects: list[str], priors: Priors) -> list[PredictorTerm]:
    """Variants and subjects: deviations of the level and of each arm's effect."""
    subjects = cells.drop_duplicates("subject").reset_index(drop=True)
    if len(subjects) < 2:
        return []
    names, variants = subjects["subject"].tolist(), _other_variants(subjects)
    terms = []
    for arm in (base, *effects):
        tail, on = (
            ("", basis_functions.intercept_column) if arm == base else (f":{arm}", basis_functions.arm_indicator(arm))
        )
        if variants:
            kinds = basis_functions.interaction_basis(on, basis_functions.level_indicators("variant", variants))
            terms.append(PredictorTerm(f"variant{tail}", kinds, priors.variant_scale, deviations=True))
        scale = priors.subject_scale if arm == base else priors.subject_arm_scale
        each = basis_functions.interaction_basis(on, basis_functions.level_indicators("subject", names))
        known, where = tuple((name,) for name in names), None if arm == base else arm
        terms.append(PredictorTerm(f"subject{tail}", each, scale, (), True, ("subject",), where, known))
    return terms


def _level_terms(
    cells: pd.DataFrame, trials: np.ndarray, arm: str, terms: Sequence[PredictorTerm], priors: Priors
) -> list[PredictorTerm]:
    """Deviations of an arm's levels, within each subject, from what the other terms say."""
    here = (cells["arm"] == arm).to_numpy() & ((trials > 0) | (not trials.any()))
    mine = cells[here]
    columns = np.hstack([term.basis(mine) for term in terms])
    return [
        PredictorTerm(
            f"{grouping.name}:{arm}",
            level_basis(arm, grouping.axes, levels),
            grouping.scale,
            (),
            True,
            grouping.axes,
            arm,
            tuple(levels),
        )
        for grouping, levels in carried_groupings(mine, trials[here], columns, level_groupings(priors))
    ]


def _concept_terms(cells: pd.DataFrame, priors: Priors) -> list[PredictorTerm]:
    """Concepts, and concept and dose within subjects, in the injection arm only."""
    injected = cells[cells["arm"] == INJECTION]
    concepts, subjects = sorted(injected["concept"].dropna().unique()), sorted(cells["subject"].unique())
    terms, inside = (
        [],
        basis_functions.interaction_basis(
            basis_functions.arm_indicator(INJECTION), basis_functions.sum_to_zero_contrast("subject", subjects)
        ),
    )
    if len(concepts) > 1:
        words = basis_functions.interaction_basis(
            basis_functions.arm_indicator(INJECTION), basis_functions.sum_to_zero_contrast("concept", concepts)
        )
        known, many = tuple((word,) for word in concepts), len(concepts)
        terms.append(
            PredictorTerm(
                "concept", words, priors.concept_scale, (), True, ("concept",), INJECTION, known, 1.0 + 1.0 / many
            )
        )
        if len(subjects) > 1:
            both = basis_functions.interaction_basis(inside, basis_functions.sum_to_zero_contrast("concept", concepts))
            axes, pairs = ("subject", "concept"), tuple((name, word) for name in subjects for word in concepts)
            scale = priors.subject_concept_scale
            terms.append(PredictorTerm("subject x concept", both, scale, (), True, axes, INJECTION, pairs))
    doses = (("strength", "s", priors.subject_strength_scale), ("depth", "d", priors.subject_depth_scale))
    for name, column, scale in doses if len(subjects) > 1 else ():
        if injected[column].round(9).nunique() > 1:
            dose = basis_functions.interaction_basis(inside, basis_functions.covariate_column(column))
            terms.append(PredictorTerm(f"subject x {name}", dose, scale, deviations=True))
    return terms


def reference_variant(subjects: pd.DataFrame) -> str:
    """The variant that others are compared with: instruct, otherwise the most frequent."""
    variants = subjects["variant"].tolist()
    return BASELINE_VARIANT if BASELINE_VARIANT in variants else max(sorted(set(variants)), key=variants.count)


def _other_variants(subjects: pd.DataFrame) -> list[str]:
    return sorted(set(subjects["variant"]) - {reference_variant(subjects)})


def compress_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row starts, columns and values of the nonzero entries."""
    rows, columns = np.nonzero(matrix)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(matrix)))])
    return starts.astype(np.int64), columns.astype(np.int64), matrix[rows, columns].astype(float)


def _log2_strength(frame: pd.DataFrame, steered: np.ndarray) -> pd.Series[float]:
    """log2 |strength|; a steered cell of strength 0 is one doubling below the subject's weakest."""
    size = frame["strength"].abs().where(steered)
    least = size.where(size > 0).groupby(frame["subject"]).transform("min").fillna(1.0)
    return pd.Series(np.log2(size.where(size > 0, least / 2)), index=frame.index)


def _standardize(values: pd.Series[float], by: pd.Series[str], where: np.ndarray) -> np.ndarray:
    """Values minus their group's mean, divided by their standard deviation over distinct values; 0 elsewhere."""
    known = where & values.notna().to_numpy()
    out = np.zeros(len(values))
    if not known.any():
        return out
    distinct = pd.DataFrame({"by": by[known], "value": values[known].round(9)}).drop_duplicates()
    means = distinct.groupby("by")["value"].mean()
    spread = float(np.std(distinct["value"] - distinct["by"].map(means)))
    if spread > 1e-9:
        out[known] = (values[known] - by[known].map(means)) / spread
    return out
