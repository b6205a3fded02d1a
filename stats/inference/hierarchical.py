"""The model as one object: its arrays, its parameters, and its statement in PyMC.

A parameter vector holds the coefficients of the predictor, the log standard deviations of their groups and, with
verdicts, what `inference.latent_log_density` lists. The sampler uses other coordinates (`inference.laplace_pilot`);
draws are of the parameters themselves.

The PyMC form defines the model: it is for reading, for prior predictive draws and for PyMC's own samplers. Fits use the
same density written out with its gradient (`inference.log_density`), which needs no compilation per study.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sps
from scipy.linalg.blas import dtrmv

from gnomon.stats.cells.aggregation import CellCounts, VerdictPatternCells
from gnomon.stats.inference.arviz_import import import_arviz
from gnomon.stats.inference.coordinates import Coordinates, noncentered_coordinates
from gnomon.stats.model.graded_voices import grade_centre, grade_scales, grade_shapes
from gnomon.stats.model.judge_confusion import (
    ExternalCalibration,
    LevelDeviations,
    VerdictArrays,
    build_verdict_arrays,
)
from gnomon.stats.model.linear_predictor import ModelDesign, PredictorArrays, build_design
from gnomon.stats.model.priors import Priors

if TYPE_CHECKING:
    from gnomon.stats.inference.laplace_pilot import CoefficientBlock

VERSION = "6"
"""Part of every fit's hash: increase it when a change of the model invalidates stored fits."""

GRADED_VERSION = "7"
"""The same for a model with graded voices; without any, the model is that of `VERSION`, bit for bit."""

SCALE_NAMES = ("log_scale", "log_judge_scale", "log_wrong_scale")
SHAPE_PARTS = ("arm", "full", "pairs", "possible")
PRIOR_PARTS = (*SHAPE_PARTS, "wrong_mean", "wrong_sd", "wrong_alike", "scale", "dose_scale", "agreement_sd")
"""Parts of `VerdictArrays` that do not depend on the data, beside its deviations."""
Density = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True)
class OutcomeModel:
    """A study's model: design and arrays of the outcome stages, and either counts or verdicts.

    Attributes
    ----------
    design : ModelDesign
        Terms and prepared cells.
    classes : tuple of str
        The K outcome classes; the K - 1 = S stages have the same predictor.
    arrays : PredictorArrays
        The predictor as arrays.
    coordinates, accuracy_coordinates, wrong_coordinates : Coordinates
        Coordinates in which the coefficients, and the deviations of the judges' accuracies and of their wrong logits,
        are sampled: non-centred, or those of `with_informed_coordinates`.
    centre, dense_places, covariance_factor : ndarray, shape (size,), (m,) and (m, m), optional
        A sampler's point t has the coordinates centre + t, and centre + covariance_factor @ t in the m dense places;
        the factor is lower triangular, in Fortran order.
    counts : ndarray, shape (cells, K), optional
        Observed counts by class, for a model without judge errors.
    verdicts : VerdictArrays, optional
        Verdicts and labels, for a model with latent true class.
    """

    design: ModelDesign
    classes: tuple[str, ...]
    arrays: PredictorArrays
    coordinates: Coordinates
    accuracy_coordinates: Coordinates
    wrong_coordinates: Coordinates
    centre: np.ndarray | None = None
    dense_places: np.ndarray | None = None
    covariance_factor: np.ndarray | None = None
    counts: np.ndarray | None = None
    verdicts: VerdictArrays | None = None

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each parameter, in the order of the vector."""
        a, v, many = self.arrays, self.verdicts, len(self.classes)
        fixed, stages = a.fixed_mean.shape
        shapes: dict[str, tuple[int, ...]] = {
            "coefficient": (fixed + len(a.group), stages),
            "log_scale": (len(a.scale), stages),
        }
        if v is not None:
            judges = v.full.shape[1]
            shapes["wrong"] = (v.arms, judges, many, many - 1)
            shapes["log_judge_scale"] = (v.accuracy.groups, judges)
            shapes["accuracy"] = (len(v.accuracy.group), judges, many)
            shapes["agreement"] = (v.arms, len(v.pairs))
            shapes["log_wrong_scale"] = (v.wrong.groups, judges)
            shapes["wrong_deviation"] = (len(v.wrong.group), judges, many, many - 1)
            shapes["rater_wrong"] = (min(v.raters.raters, 1) * many, many - 1)
            shapes["rater_deviation"] = (v.raters.deviating,)
            shapes |= grade_shapes(v.grades, v.arms, len(v.accuracy.group), len(v.wrong.group))
        return shapes

    @property
    def parameter_count(self) -> int:
        """Number of parameters."""
        return sum(int(np.prod(shape)) for shape in self.parameter_shapes.values())

    def density_function(self) -> Density:
        """The function from a parameter vector to log density and gradient.

        Raises
        ------
        ValueError
            If the model has neither counts nor verdicts.
        """
        from gnomon.stats.inference import latent_log_density, log_density

        arrays, to, counts, verdicts = self.arrays, self.coordinates, self.counts, self.verdicts
        if verdicts is not None:
            right, wrong = self.accuracy_coordinates, self.wrong_coordinates
            return lambda x: latent_log_density.corrected_density(x, arrays, to, verdicts, right, wrong)
        if counts is None:
            raise ValueError("a model needs counts or verdicts")
        weights = counts.astype(float)
        return lambda x: log_density.judged_density(x, arrays, to, weights)

    def with_informed_coordinates(self) -> OutcomeModel:
        """The same model in coordinates in which its posterior is nearly isotropic (`inference.laplace_pilot`)."""
        from gnomon.stats.inference import laplace_pilot

        places, middle = self.unpack_parameters(np.arange(self.parameter_count)), self.prior_centre()
        scales = [places[name].ravel() for name in SCALE_NAMES if name in places]
        free = np.setdiff1d(np.arange(self.parameter_count), np.concatenate(scales))
        density, groups, fixed = self.density_function(), self.arrays.group, len(self.arrays.fixed_mean)
        at = laplace_pilot.posterior_mode(density, middle, free)
        core = laplace_pilot.core_coefficients(fixed, groups)
        rest = np.setdiff1d(np.arange(fixed + len(groups)), core)
        prior = np.vstack(
            [1.0 / self.arrays.fixed_sd**2, np.exp(-2.0 * self.unpack_parameters(at)["log_scale"][groups])]
        )
        joint = self._coefficient_information(at, prior)
        sparse = places["coefficient"][rest].T.ravel() if len(free) > laplace_pilot.MAX_DENSE else np.zeros(0, np.int64)
        dense = np.setdiff1d(free, sparse)
        covariance = (
            laplace_pilot.marginal_covariance(density, at, dense, sparse, _noncentred_precision(joint, prior, rest))
            if len(sparse)
            else laplace_pilot.laplace_covariance(density, at, dense)
        )
        rows = np.full(self.parameter_count, -1)
        rows[dense] = np.arange(len(dense))
        runs = [part for part in np.split(rest, np.flatnonzero(np.diff(groups[rest - fixed])) + 1) if len(part)]
        shared = np.stack(
            [laplace_pilot.conditional_information(a, p, core, runs) for a, p in zip(joint, prior.T, strict=True)]
        )
        blocks = self._coefficient_blocks(places, at, rows, core)
        made = {
            name: laplace_pilot.informed_coordinates(block, at, covariance, shared if name == "coordinates" else None)
            for name, block in blocks.items()
        }
        new = replace(
            self,
            coordinates=made["coordinates"],
            accuracy_coordinates=made.get("accuracy_coordinates", self.accuracy_coordinates),
            wrong_coordinates=made.get("wrong_coordinates", self.wrong_coordinates),
        )
        for block in blocks.values():
            at[block.places] = 0.0
        covariance = laplace_pilot.laplace_covariance(new.density_function(), at, dense)
        turn = np.asfortranarray(np.linalg.cholesky(covariance))
        return replace(new, centre=at, dense_places=dense, covariance_factor=turn)

    def _coefficient_information(self, at: np.ndarray, prior: np.ndarray) -> np.ndarray:
        """Precision (S, n, n) of the n coefficients of each stage at a point, the verdict parameters given.

        Only a cell's own logits enter the likelihood of its trials, so the curvature in all logits of a stage takes two
        gradients: those of a model with one free logit for each cell.
        """
        from gnomon.stats.inference.laplace_pilot import DIFFERENCE_STEP

        a, matrix = self.arrays, _dense_matrix(self.arrays)
        cells, stages = a.asked.shape
        single = PredictorArrays(
            np.arange(cells + 1), np.arange(cells), np.ones(cells), a.asked, np.zeros(0, np.int64),
            np.zeros((cells, stages)), np.ones((cells, stages)), np.zeros((0, stages)),
        )  # fmt: skip
        density = replace(self, arrays=single, coordinates=noncentered_coordinates(cells, stages)).density_function()
        eta = matrix @ self.coefficient_draws(self.to_parameters(at)[None])[0]
        tail, out = at[prior.size + a.scale.size :], []
        for stage in range(stages):
            step = DIFFERENCE_STEP * (np.arange(stages) == stage)
            ahead, behind = (density(np.concatenate([(eta + by).ravel(), tail]))[1] for by in (step, -step))
            slope = (behind - ahead)[: eta.size].reshape(eta.shape)[:, stage] / (2 * DIFFERENCE_STEP)
            weight = np.maximum(slope - 1.0, 0.0)
            out.append(matrix.T @ (weight[:, None] * matrix) + np.diag(prior[:, stage]))
        return np.stack(out)

    def _coefficient_blocks(
        self, places: dict[str, np.ndarray], at: np.ndarray, rows: np.ndarray, core: np.ndarray
    ) -> dict[str, CoefficientBlock]:
        """The coefficients and, with verdicts, the judges' deviations, with their priors at given scales, by the name
        of their coordinates.
        """
        from gnomon.stats.inference.laplace_pilot import CoefficientBlock, core_coefficients

        a, v, point = self.arrays, self.verdicts, self.unpack_parameters(at)
        precision = np.vstack([1.0 / a.fixed_sd**2, np.exp(-2.0 * point["log_scale"][a.group])])
        mean = np.vstack([a.fixed_mean, np.zeros((len(a.group), a.scale.shape[1]))])
        where = places["coefficient"]
        blocks = {"coordinates": CoefficientBlock(where, rows[where], precision, mean, core)}
        if v is not None and len(v.accuracy.group):
            own = np.repeat(np.exp(-2.0 * point["log_judge_scale"][v.accuracy.group]), len(self.classes), axis=1)
            where, near = places["accuracy"].reshape(own.shape), core_coefficients(0, v.accuracy.group)
            blocks["accuracy_coordinates"] = CoefficientBlock(where, rows[where], own, np.zeros(own.shape), near)
        if v is not None and len(v.wrong.group):
            each = len(self.classes) * (len(self.classes) - 1)
            own = np.repeat(np.exp(-2.0 * point["log_wrong_scale"][v.wrong.group]), each, axis=1)
            where, near = places["wrong_deviation"].reshape(own.shape), np.zeros(0, dtype=np.int64)
            blocks["wrong_coordinates"] = CoefficientBlock(where, rows[where], own, np.zeros(own.shape), near)
        return blocks

    def prior_centre(self) -> np.ndarray:
        """The prior's centre: scales at half their prior's scale."""
        shapes = self.parameter_shapes
        middle = {name: np.zeros(shape) for name, shape in shapes.items()}
        middle["log_scale"] = np.log(self.arrays.scale / 2)
        if self.verdicts is not None:
            middle["wrong"] = np.full(shapes["wrong"], self.verdicts.wrong_mean)
            middle["rater_wrong"] = np.full(shapes["rater_wrong"], self.verdicts.raters.wrong_mean)
            middle["log_judge_scale"] = np.full(shapes["log_judge_scale"], np.log(self.verdicts.scale / 2))
            middle["log_wrong_scale"] = np.full(shapes["log_wrong_scale"], np.log(self.verdicts.dose_scale))
            middle |= grade_centre(self.verdicts.grades, shapes)
        return np.concatenate([values.ravel() for values in middle.values()])

    def initial_point(self, rng: np.random.Generator) -> np.ndarray:
        """A sampler's starting point t, about one posterior standard deviation from the centre in each coordinate."""
        return np.asarray(rng.normal(size=self.parameter_count))

    def to_parameters(self, x: np.ndarray) -> np.ndarray:
        """The parameters of a point in the model's coordinates: a vector of the same shape."""
        from gnomon.stats.inference import latent_log_density, log_density

        out, places, v = x.copy(), self.unpack_parameters(np.arange(self.parameter_count)), self.verdicts
        out[places["coefficient"]] = log_density.coefficients_from_coordinates(x, self.arrays, self.coordinates)
        if v is not None:
            point = self.unpack_parameters(x)
            for name, scale, levels, to in (
                ("accuracy", "log_judge_scale", v.accuracy, self.accuracy_coordinates),
                ("wrong_deviation", "log_wrong_scale", v.wrong, self.wrong_coordinates),
            ):
                raw = point[name].reshape(len(levels.group), int(np.prod(point[name].shape[1:])))
                found = latent_log_density.deviations_from_coordinates(raw, point[scale], levels, to)
                out[places[name]] = found.reshape(places[name].shape)
        return out

    def to_noncentered(self, parameters: np.ndarray) -> np.ndarray:
        """Non-centred coordinates (draws, size) of parameters (draws, size): the inverse of `to_parameters` of a
        non-centred model.
        """
        out, places, a, v = (
            parameters.copy(),
            self.unpack_parameters(np.arange(self.parameter_count)),
            self.arrays,
            self.verdicts,
        )
        point, fixed = self.unpack_parameters(parameters), len(a.fixed_mean)
        apart = (point["coefficient"][:, :fixed] - a.fixed_mean) / a.fixed_sd
        deviating = point["coefficient"][:, fixed:] / np.exp(point["log_scale"][:, a.group])
        out[:, places["coefficient"].ravel()] = np.concatenate([apart, deviating], axis=1).reshape(len(out), -1)
        if v is not None:
            right = np.exp(point["log_judge_scale"][:, v.accuracy.group])[..., None]
            out[:, places["accuracy"].ravel()] = (point["accuracy"] / right).reshape(len(out), -1)
            wrong = np.exp(point["log_wrong_scale"][:, v.wrong.group])[..., None, None]
            out[:, places["wrong_deviation"].ravel()] = (point["wrong_deviation"] / wrong).reshape(len(out), -1)
        return out

    def structure_hash(self) -> str:
        """Hash of everything except the data: models of one structure have the same parameters and priors."""
        seen = hashlib.sha256(repr((VERSION, self.classes, self.parameter_shapes)).encode())
        v = self.verdicts
        parts: list[Any] = list(self.arrays)
        if v is not None:
            parts += [*v.accuracy, *v.wrong, *v.raters[2:], *(v._asdict()[name] for name in PRIOR_PARTS)]
            if len(v.grades.judge):
                parts += [part for name, part in v.grades._asdict().items() if name != "level"]
        for part in parts:
            seen.update(np.ascontiguousarray(part).tobytes())
        return seen.hexdigest()

    def parameters_at(self, t: np.ndarray) -> np.ndarray:
        """Parameters at a sampler's point."""
        return self.to_parameters(self._coordinates_at(t))

    def _coordinates_at(self, t: np.ndarray) -> np.ndarray:
        """The point in the model's coordinates of a sampler's point."""
        centre = self.prior_centre() if self.centre is None else self.centre
        x: np.ndarray = centre + t
        if self.covariance_factor is not None:
            places = self.dense_places
            x[places] = centre[places] + dtrmv(self.covariance_factor, t[places], lower=1)
        return x

    def sampling_target(self) -> Density:
        """The function from a sampler's point to log density and gradient."""
        density, turn, places = self.density_function(), self.covariance_factor, self.dense_places
        if self.centre is None or turn is None:
            centre = self.prior_centre()
            return lambda t: density(centre + t)

        def turned(t: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = density(self._coordinates_at(t))
            slope[places] = dtrmv(turn, slope[places], lower=1, trans=1)
            return value, slope

        return turned

    def unpack_parameters(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters by name from vectors (..., size)."""
        out, start = {}, 0
        for name, shape in self.parameter_shapes.items():
            stop = start + int(np.prod(shape))
            out[name] = x[..., start:stop].reshape(*x.shape[:-1], *shape)
            start = stop
        return out

    def require_verdicts(self) -> VerdictArrays:
        """The verdicts of a model that must have them.

        Raises
        ------
        ValueError
            If the model has none.
        """
        if self.verdicts is None:
            raise ValueError("this model has no verdicts")
        return self.verdicts

    def verdict_parameters(self, x: np.ndarray) -> np.ndarray:
        """The verdict part of a parameter vector, as `inference.latent_log_density` takes it."""
        first = int(self.unpack_parameters(np.arange(self.parameter_count))["wrong"].ravel()[0])
        return np.ascontiguousarray(x[first:])

    def coefficient_draws(self, x: np.ndarray) -> np.ndarray:
        """Coefficients (draws, G + P, S) of the predictor from draws (draws, size) of the parameters."""
        return self.unpack_parameters(x)["coefficient"]

    def class_probabilities(self, coefficients: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Class probabilities of the n cells of a prepared frame; deviations of levels that the study lacks are zero.

        Parameters
        ----------
        coefficients : ndarray, shape (draws, G + P, S)
            Draws of the coefficients.
        frame : pandas.DataFrame
            Prepared cells (`add_covariates`).

        Returns
        -------
        ndarray, shape (draws, n, K)
            P(class).
        """
        return self.probabilities_from_logits(self._logits(coefficients, frame), self.design.asked_stages(frame))

    def predict_new_levels(self, x: np.ndarray, frame: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """Class probabilities of the n cells of a prepared frame, some of which the study did not run.

        A level that the study lacks (another subject, concept or cell) gets a deviation drawn from its group's normal
        distribution, one for each draw and stage and the same in all cells of that level; levels that it has keep their
        own. So the probabilities are those of new levels exchangeable with the study's, and as uncertain as that. With
        zero instead (`class_probabilities`) they would be those of a typical level, which none of them is.

        Parameters
        ----------
        x : ndarray, shape (draws, size)
            Draws of the parameters.
        frame : pandas.DataFrame
            Prepared cells (`add_covariates`).
        rng : numpy.random.Generator
            Source of the deviations.

        Returns
        -------
        ndarray, shape (draws, n, K)
            P(class).
        """
        eta = self._logits(self.coefficient_draws(x), frame)
        scale = np.exp(self.unpack_parameters(x)["log_scale"])
        for place, term in enumerate(self.design.random_terms):
            new = term.new_levels(frame)
            for level in sorted({one for one in new if one is not None}):
                here = np.array([one == level for one in new])
                shift = np.sqrt(term.new_variance) * scale[:, place] * rng.normal(size=scale[:, place].shape)
                eta[:, here] += shift[:, None]
        return self.probabilities_from_logits(eta, self.design.asked_stages(frame))

    def _logits(self, coefficients: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Logits (draws, n, S) of the cells of a prepared frame."""
        matrix = self.design.design_matrix(frame)
        used = matrix.any(axis=0)
        return np.asarray(np.einsum("np,dps->dns", matrix[:, used], coefficients[:, used], optimize=True))

    @staticmethod
    def probabilities_from_logits(eta: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Class probabilities from the logits of the stages.

        Parameters
        ----------
        eta : ndarray, shape (draws, n, S)
            Logit of each stage.
        asked : ndarray of bool, shape (n, S)
            Stages that the cell's arm has.

        Returns
        -------
        ndarray, shape (draws, n, K)
            P(class).
        """
        yes = np.where(asked, 1.0 / (1.0 + np.exp(-eta)), 0.0)
        reached = np.cumprod(np.concatenate([np.ones_like(yes[..., :1]), 1.0 - yes], axis=-1), axis=-1)
        return np.asarray(reached * np.concatenate([yes, np.ones_like(yes[..., :1])], axis=-1))


def judged_model(cells: CellCounts, priors: Priors) -> OutcomeModel:
    """The model of observed counts by class, without judge errors.

    Parameters
    ----------
    cells : CellCounts
        Counts by cell and class.
    priors : Priors
        Prior scales.
    """
    design = build_design(cells.frame, cells.classes, priors, cells.trial_counts)
    return _build_model(design, cells.classes, counts=cells.counts)


def corrected_model(
    patterns: VerdictPatternCells, priors: Priors, external: Sequence[ExternalCalibration] = ()
) -> OutcomeModel:
    """The model in which the true class is latent, judges err, and raters too unless their label was adjudicated.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and label.
    priors : Priors
        Prior scales.
    external : sequence of ExternalCalibration, default ()
        Counts of a judge's verdicts on transcripts of other studies with known truth; they inform P(verdict | truth)
        alone.

    Raises
    ------
    InputError
        If an external calibration does not fit the study.
    """
    design = build_design(patterns.frame, patterns.classes, priors, patterns.trial_counts)
    return _build_model(design, patterns.classes, verdicts=build_verdict_arrays(patterns, priors, external))


def _build_model(
    design: ModelDesign, classes: tuple[str, ...], verdicts: VerdictArrays | None = None, **data: Any
) -> OutcomeModel:
    arrays, many = design.predictor_arrays(), len(classes)
    flat = noncentered_coordinates(len(arrays.fixed_mean) + len(arrays.group), many - 1)
    right = wrong = noncentered_coordinates(0, 0)
    if verdicts is not None:
        judges = verdicts.full.shape[1]
        right = noncentered_coordinates(len(verdicts.accuracy.group), judges * many)
        wrong = noncentered_coordinates(len(verdicts.wrong.group), judges * many * (many - 1))
    return OutcomeModel(design, classes, arrays, flat, right, wrong, verdicts=verdicts, **data)


def pymc_model(model: OutcomeModel) -> Any:
    """The same model in PyMC, with every deviation in its non-centred form.

    P(refused) and, given that the earlier stages were negative, P(event) and P(incoherent) of a cell are inverse logits
    of `rows @ coefficients`. A judge's verdict v on a trial of true class z has log odds `wrong` plus the deviations
    of the stratum's levels of strength and layer against the correct class, whose own logit is the sum of the accuracy
    deviations of its concept, subject, span and protocol; a pattern of several judges has the product of their odds,
    times exp(agreement) for each pair with the same verdict.

    Returns
    -------
    pymc.Model
        Free variables have the names of `OutcomeModel.parameter_shapes`, scales without the `log_`.
    """
    import_arviz()
    import pymc as pm
    import pytensor.tensor as pt

    from gnomon.stats.inference.log_density import LOG_ZERO

    a = model.arrays
    with pm.Model(check_bounds=False) as out:
        fixed = pm.Normal("fixed", a.fixed_mean, a.fixed_sd, shape=a.fixed_mean.shape)
        scale = pm.HalfNormal("scale", a.scale, shape=a.scale.shape)
        deviation = pm.Normal("deviation", 0.0, 1.0, shape=(len(a.group), a.scale.shape[1]))
        coefficients = pt.concatenate([fixed, scale[a.group] * deviation])
        eta = pt.dot(_dense_matrix(a), coefficients)
        no = pt.cumsum(pt.where(a.asked, -pt.softplus(eta), 0.0), axis=1)
        yes = pt.where(a.asked, -pt.softplus(-eta), LOG_ZERO) + pt.concatenate(
            [pt.zeros_like(no[:, :1]), no[:, :-1]], axis=1
        )
        logs = pt.concatenate([yes, no[:, -1:]], axis=1)
        if model.verdicts is None:
            pm.Potential("counts", (model.counts * logs).sum())
        else:
            pm.Potential("rows", _verdict_log_likelihood(pm, pt, logs, model.verdicts, len(model.classes)))
    return out


def _verdict_log_likelihood(pm: Any, pt: Any, logs: Any, v: VerdictArrays, classes: int) -> Any:
    """Log likelihood of the verdict patterns and labels, with the verdict parameters."""
    from gnomon.stats.inference.log_density import LOG_ZERO

    judges = v.full.shape[1]
    many = judges * classes * (classes - 1)
    covariance = v.wrong_sd[:, None, None] ** 2 * (v.wrong_alike + (1.0 - v.wrong_alike) * np.eye(many))
    wrong = pm.MvNormal("wrong", np.full(many, v.wrong_mean), covariance, shape=(v.arms, many))
    wrong = wrong.reshape((v.arms, judges, classes, classes - 1))
    scale = pm.HalfNormal("judge_scale", v.scale, shape=(v.accuracy.groups, judges))
    accuracy = pm.Normal("accuracy", 0.0, 1.0, shape=(len(v.accuracy.group), judges, classes))
    agreement = pm.Normal("agreement", 0.0, v.agreement_sd, shape=(v.arms, len(v.pairs)))
    dose_scale = pm.Weibull("wrong_scale", 2.0, np.sqrt(2.0) * v.dose_scale, shape=(v.wrong.groups, judges))
    lean = pm.Normal("wrong_deviation", 0.0, 1.0, shape=(len(v.wrong.group), judges, classes, classes - 1))
    right = pt.tensordot(_stratum_design(v.accuracy), scale[v.accuracy.group][:, :, None] * accuracy, axes=1)
    leant = pt.tensordot(_stratum_design(v.wrong), dose_scale[v.wrong.group][:, :, None, None] * lean, axes=1)
    place = np.array([[c - (c > z) for c in range(classes)] for z in range(classes)])
    spread = (wrong[v.arm] + leant)[:, :, np.arange(classes)[:, None], np.minimum(place, classes - 2)]
    odds = pt.where(np.eye(classes, dtype=bool), right[..., None], spread)
    odds = pt.where(v.possible[v.arm][:, None, None, :], odds, LOG_ZERO)
    table = sum(odds[:, j][:, :, v.full[:, j]] for j in range(judges))
    for k, (one, other) in enumerate(v.pairs):
        table = table + agreement[v.arm, k][:, None, None] * (v.full[:, one] == v.full[:, other])
    table = pt.exp(table - pt.logsumexp(table, axis=-1, keepdims=True))
    agrees = ((v.partial[:, None] == v.full) | (v.partial[:, None] < 0)).all(axis=-1)
    seen = pt.dot(table, agrees.T.astype(float))
    possible = (v.label[:, None] < 0) | v.sets[np.maximum(v.label, 0)]
    share = pt.where(v.cell[:, None] >= 0, pt.exp(logs[v.cell]), 1.0)
    joint = possible * share * seen[v.stratum, :, v.pattern]
    if v.raters.raters:
        joint = joint * _label_likelihood(pm, pt, v, classes)
    if len(v.grades.judge):
        joint = joint * _level_likelihood(pm, pt, v, classes)
    return (v.number * pt.log(joint.sum(axis=1))).sum()


def _noncentred_precision(joint: np.ndarray, prior: np.ndarray, rest: np.ndarray) -> sps.csc_matrix:
    """Precision of the rest's non-centred coordinates, stage after stage, from that (S, n, n) of the coefficients."""
    scaled = [a[np.ix_(rest, rest)] / np.sqrt(np.outer(p[rest], p[rest])) for a, p in zip(joint, prior.T, strict=True)]
    return sps.csc_matrix(sps.block_diag(scaled, format="csc"))


def _label_likelihood(pm: Any, pt: Any, v: VerdictArrays, classes: int) -> Any:
    """P(the raters' labels | truth) of each row (rows, K), with the raters' parameters."""
    from gnomon.stats.inference.log_density import LOG_ZERO

    r, many = v.raters, classes * (classes - 1)
    covariance = r.wrong_sd**2 * (r.wrong_alike + (1.0 - r.wrong_alike) * np.eye(many))
    wrong = pm.MvNormal("rater_wrong", np.full(many, r.wrong_mean), covariance, shape=many)
    wrong = wrong.reshape((classes, classes - 1))
    own = pm.Normal("rater_deviation", 0.0, r.scale, shape=r.deviating) if r.deviating else pt.zeros(r.raters)
    place = np.array([[c - (c > z) for c in range(classes)] for z in range(classes)])
    spread = wrong[np.arange(classes)[:, None], np.minimum(place, classes - 2)]
    arm, out = v.arm[v.stratum], 1.0
    for h in range(r.raters):
        odds = pt.where(np.eye(classes, dtype=bool), own[h], spread)
        odds = pt.where(v.possible[:, None, :], odds, LOG_ZERO)
        chance = pt.exp(odds - pt.logsumexp(odds, axis=-1, keepdims=True))
        said = np.where(r.row < 0, -1, r.ratings[:, h][r.row])
        named = pt.dot(chance, v.sets.T.astype(float))  # a label has the sum over the classes that it names
        out = out * pt.where(said[:, None] < 0, 1.0, named[arm, :, np.maximum(said, 0)])
    return out


def _level_likelihood(pm: Any, pt: Any, v: VerdictArrays, classes: int) -> Any:
    """P(the levels of the graded verdicts | truth, verdicts) of each row (rows, K), with the parameters of levels."""
    from gnomon.stats.inference.log_density import LOG_ZERO

    g = v.grades
    shapes = grade_shapes(g, v.arms, len(v.accuracy.group), len(v.wrong.group))
    middle, scales = grade_centre(g, shapes), grade_scales(g, shapes)
    logit, shift, dose = (
        pm.Normal(name, middle[name], scales[name], shape=shape) if 0 not in shape else pt.zeros(shape)
        for name, shape in shapes.items()
    )
    steps = np.arange(g.levels)
    shifts = pt.tensordot(_stratum_design(v.accuracy), shift, axes=1)
    doses = pt.tensordot(_stratum_design(v.wrong), dose, axes=1)
    right, event = np.array([[0.5, -0.5], [-0.5, 0.5]]), (np.arange(classes) == g.event).astype(int)
    out: Any = 1.0
    for q, judge in enumerate(g.judge):
        common, lean = (
            pt.concatenate([pt.zeros((v.arms, 2, 1)), logit[:, q, kind]], axis=-1)[v.arm] for kind in (0, 1)
        )
        eta = common[:, None] + right[:, :, None] * lean[:, None]  # strata, truth, verdict, level
        eta = eta + (shifts[:, q][:, None] + doses[:, q])[..., None] * steps
        eta = pt.where(steps < g.most[v.arm][:, q][:, None, :, None], eta, LOG_ZERO)
        chance = pt.exp(eta - pt.logsumexp(eta, axis=-1, keepdims=True))
        level, said = g.level[:, q], (v.partial[v.pattern, judge] == g.event).astype(int)
        own = chance[v.stratum[:, None], event, said[:, None], np.maximum(level, 0)[:, None]]
        out = out * pt.where(level[:, None] < 0, 1.0, own)
    return out


def _stratum_design(levels: LevelDeviations) -> np.ndarray:
    """The matrix (strata, D) from deviations to strata."""
    known = (levels.level >= 0)[:, :, None]
    if not len(levels.group):
        return np.zeros((len(levels.level), 0))
    return np.asarray((known * levels.design[np.maximum(levels.level, 0)]).sum(axis=1))


def _dense_matrix(a: PredictorArrays) -> np.ndarray:
    """The matrix (cells, G + P) from its compressed form."""
    table = np.zeros((len(a.indptr) - 1, len(a.fixed_mean) + len(a.group)))
    table[np.repeat(np.arange(len(table)), np.diff(a.indptr)), a.column] = a.value
    return table
