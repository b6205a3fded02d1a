"""The model as one object: its arrays, its parameters, and its statement in PyMC.

The PyMC form is what the model *is*: read it to know, use it for prior predictive draws and for PyMC's own
samplers. Fits run on the same density written out with its gradient (`stats.density`), which needs no compiling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stats.cells import Cells, Patterns
from stats.design import Arrays, Design, design_of
from stats.panel import Verdicts, verdicts_of
from stats.priors import Priors
from stats.quiet import import_arviz

VERSION = "1"
"""Part of every fit's hash: raise it when a change of the model makes stored fits out of date."""

Density = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True)
class Model:
    """A study's model: design and arrays of the outcome stages, and either counts or verdicts.

    Attributes
    ----------
    design : Design
    classes : tuple of str
        K classes of the ladder; its K - 1 = S stages have the same predictor.
    arrays : Arrays
    counts : ndarray, shape (cells, K), optional
        Where a judge (or publication) is taken at its word.
    verdicts : Verdicts, optional
        Where the true class is latent.
    """

    design: Design
    classes: tuple[str, ...]
    arrays: Arrays
    counts: np.ndarray | None = None
    verdicts: Verdicts | None = None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each parameter, in the order in which they stand in the vector."""
        a, v, many = self.arrays, self.verdicts, len(self.classes)
        fixed, stages = a.fixed_mean.shape
        shapes: dict[str, tuple[int, ...]] = {
            "fixed": (fixed, stages),
            "log_scale": (len(a.scale), stages),
            "deviation": (len(a.group), stages),
        }
        if v is not None:
            judges = v.full.shape[1]
            shapes["wrong"] = (v.arms, judges, many, many - 1)
            shapes["log_judge_scale"] = (v.groups, judges)
            shapes["accuracy"] = (v.deviation.shape[1], judges, many)
            shapes["agreement"] = (v.arms, len(v.pairs))
        return shapes

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def density(self) -> Density:
        """Log density and gradient of a parameter vector."""
        from stats import density

        arrays, counts, verdicts = self.arrays, self.counts, self.verdicts
        if verdicts is not None:
            return lambda x: density.corrected_density(x, arrays, verdicts)
        if counts is None:
            raise ValueError("a model needs counts or verdicts")
        weights = counts.astype(float)
        return lambda x: density.judged_density(x, arrays, weights)

    def start(self, rng: np.random.Generator) -> np.ndarray:
        """A starting point: the prior's middle with some jitter."""
        shapes, a = self.shapes, self.arrays
        middle = {name: np.zeros(shape) for name, shape in shapes.items()}
        middle["fixed"] = a.fixed_mean
        middle["log_scale"] = np.log(a.scale / 2)
        if self.verdicts is not None:
            middle["wrong"] = np.full(shapes["wrong"], self.verdicts.wrong_mean)
            middle["log_judge_scale"] = np.full(shapes["log_judge_scale"], np.log(self.verdicts.scale / 2))
        flat = np.concatenate([values.ravel() for values in middle.values()])
        return np.asarray(flat + rng.uniform(-0.5, 0.5, flat.shape))

    def unpack(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters by name from vectors (..., size)."""
        out, start = {}, 0
        for name, shape in self.shapes.items():
            stop = start + int(np.prod(shape))
            out[name] = x[..., start:stop].reshape(*x.shape[:-1], *shape)
            start = stop
        return out

    def coefficients(self, x: np.ndarray) -> np.ndarray:
        """Coefficients (draws, G + P, S) of the predictor from draws (draws, size)."""
        from stats import density

        return np.stack([density.coefficients(row, self.arrays)[0] for row in np.ascontiguousarray(x)])

    def probabilities(self, coefficients: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """P(class) (draws, n, K) of cells with these rows (n, G + P) of the design."""
        eta = np.einsum("np,dps->dns", matrix, coefficients, optimize=True)
        yes = 1.0 / (1.0 + np.exp(-eta))
        reached = np.cumprod(np.concatenate([np.ones_like(yes[..., :1]), 1.0 - yes], axis=-1), axis=-1)
        return np.asarray(reached * np.concatenate([yes, np.ones_like(yes[..., :1])], axis=-1))


def judged_model(cells: Cells, priors: Priors) -> Model:
    """The model in which counts by class are taken at their word."""
    design = design_of(cells.frame, cells.classes, priors)
    return Model(design, cells.classes, design.arrays(cells.counts), counts=cells.counts)


def corrected_model(patterns: Patterns, priors: Priors) -> Model:
    """The model in which judges err and labels do not."""
    design = design_of(patterns.frame, patterns.classes, priors)
    verdicts = verdicts_of(patterns, priors)
    return Model(design, patterns.classes, design.arrays(_apparent(patterns)), verdicts=verdicts)


def _apparent(patterns: Patterns) -> np.ndarray:
    """Counts (cells, K) by label where there is one, else by the first judge who spoke; half weight, as judges err."""
    spoken = np.argmax(patterns.verdict >= 0, axis=1)
    first = np.take_along_axis(patterns.verdict, spoken[:, None], axis=1)[:, 0]
    known = np.where(patterns.label >= 0, patterns.label, first)
    table = np.zeros((len(patterns.frame), len(patterns.classes)))
    np.add.at(table, (patterns.cell, known), patterns.count / 2)
    return table


def pymc_model(model: Model) -> Any:
    """The same model in PyMC, with every deviation in its non-centred form.

    P(refused) and, given that the stages before it said no, P(event) and P(incoherent) of a cell are inverse logits
    of `rows @ coefficients`. A judge's verdict v on a trial that is truly z has log odds `wrong` against the right
    answer, whose own logit is the deviation in accuracy of the stratum; a pattern of several judges has the product
    of their odds, times exp(agreement) for each pair that says the same.

    Returns
    -------
    pymc.Model
        Free variables carry the names of `Model.shapes`, scales without the `log_`.
    """
    import_arviz()
    import pymc as pm
    import pytensor.tensor as pt

    a = model.arrays
    with pm.Model(check_bounds=False) as out:
        fixed = pm.Normal("fixed", a.fixed_mean, a.fixed_sd, shape=a.fixed_mean.shape)
        scale = pm.HalfNormal("scale", a.scale, shape=a.scale.shape)
        deviation = pm.Normal("deviation", 0.0, 1.0, shape=a.centred.shape)
        coefficients = pt.concatenate([fixed, scale[a.group] * deviation])
        eta = pt.dot(_dense(a), coefficients)
        no = pt.cumsum(-pt.softplus(eta), axis=1)
        yes = -pt.softplus(-eta) + pt.concatenate([pt.zeros_like(no[:, :1]), no[:, :-1]], axis=1)
        logs = pt.concatenate([yes, no[:, -1:]], axis=1)
        if model.verdicts is None:
            pm.Potential("counts", (model.counts * logs).sum())
        else:
            pm.Potential("rows", _rows(pm, pt, logs, model.verdicts, len(model.classes)))
    return out


def _rows(pm: Any, pt: Any, logs: Any, v: Verdicts, classes: int) -> Any:
    """Log likelihood of the verdict patterns and labels, with the verdicts' parameters."""
    judges = v.full.shape[1]
    wrong = pm.Normal("wrong", v.wrong_mean, v.wrong_sd, shape=(v.arms, judges, classes, classes - 1))
    scale = pm.HalfNormal("judge_scale", v.scale, shape=(v.groups, judges))
    accuracy = pm.Normal("accuracy", 0.0, 1.0, shape=(len(v.group), judges, classes))
    agreement = pm.Normal("agreement", 0.0, v.agreement_sd, shape=(v.arms, len(v.pairs)))
    right = pt.tensordot(v.deviation, scale[v.group][:, :, None] * accuracy, axes=1)
    place = np.array([[c - (c > z) for c in range(classes)] for z in range(classes)])
    spread = wrong[:, :, np.arange(classes)[:, None], np.minimum(place, classes - 2)]
    odds = pt.where(np.eye(classes, dtype=bool), right[..., None], spread[v.arm])
    table = sum(odds[:, j][:, :, v.full[:, j]] for j in range(judges))
    for k, (one, other) in enumerate(v.pairs):
        table = table + agreement[v.arm, k][:, None, None] * (v.full[:, one] == v.full[:, other])
    table = pt.exp(table - pt.logsumexp(table, axis=-1, keepdims=True))
    agrees = ((v.partial[:, None] == v.full) | (v.partial[:, None] < 0)).all(axis=-1)
    seen = pt.dot(table, agrees.T.astype(float))
    possible = (v.label[:, None] < 0) | (v.label[:, None] == np.arange(classes))
    joint = possible * pt.exp(logs[v.cell]) * seen[v.stratum, :, v.pattern]
    return (v.number * pt.log(joint.sum(axis=1))).sum()


def _dense(a: Arrays) -> np.ndarray:
    """The matrix (cells, G + P) from its compressed form."""
    table = np.zeros((len(a.indptr) - 1, len(a.fixed_mean) + len(a.group)))
    table[np.repeat(np.arange(len(table)), np.diff(a.indptr)), a.column] = a.value
    return table
