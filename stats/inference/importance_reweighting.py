"""A refit by weights: draws of an earlier fit, weighted so that they are of the posterior that a little new data gives.

A label changes the posterior a little, and sampling anew takes as long as the first time. The draws at hand x_1 .. x_S
are of the old posterior; with weights proportional to new density / old density they are draws of the new one. The
largest weights are smoothed by a generalised Pareto distribution, whose shape k says whether the weights may be used
(Vehtari, Simpson, Gelman, Yao and Gabry 2024, JMLR 25(72), Pareto smoothed importance sampling).

Draws are kept on a shelf, one fit a view, and are only those that were sampled: weighted ones are never weighted again,
so that small errors cannot add up. Taking the shelf away costs time, nothing else.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gnomon.stats.inference.arviz_import import import_arviz
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.inference.sampler import PosteriorDraws

MAX_PARETO_K = 0.5
"""Above it the weights have no finite variance: sample anew."""


@dataclass(frozen=True)
class CachedDraws:
    """Draws of an earlier fit: its id, parameters (chains, draws, size), log density (chains, draws), divergences."""

    fit: str
    values: np.ndarray
    logs: np.ndarray
    divergences: int


@dataclass(frozen=True)
class DrawCache:
    """A folder of kept draws, a file for each view; without `reuse` they are put there but not taken."""

    folder: Path
    reuse: bool = True

    def save_draws(self, view: str, structure: str, kept: CachedDraws) -> None:
        """Put draws on the shelf in the place of the view's older ones; a reader sees the old file or the new one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._file_path(view)
        fresh = path.with_suffix(f".{os.getpid()}.tmp")
        with fresh.open("wb") as file:
            np.savez(
                file,
                fit=kept.fit,
                structure=structure,
                values=kept.values,
                logs=kept.logs,
                divergences=kept.divergences,
            )
        fresh.replace(path)

    def load_draws(self, view: str, structure: str) -> CachedDraws | None:
        """The view's draws, if they are of a model of the same structure; a file that cannot be read counts as none."""
        if not self.reuse:
            return None
        try:
            with self._file_path(view).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                if str(file["structure"]) != structure:
                    return None
                return CachedDraws(str(file["fit"]), file["values"], file["logs"], int(file["divergences"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def _file_path(self, view: str) -> Path:
        return self.folder / f"{hashlib.sha256(view.encode()).hexdigest()[:16]}.npz"


@dataclass(frozen=True)
class ReweightedDraws:
    """Draws that stand for the new posterior, as many as there were, each repeated as its weight asks.

    `k` is the shape of the weights' tail; `share` (0, 1] says how many evenly weighted draws they are worth.
    """

    draws: PosteriorDraws
    fit: str
    k: float
    share: float

    @property
    def is_reliable(self) -> bool:
        """Whether the weights may be trusted."""
        return self.k <= MAX_PARETO_K

    def as_dict(self) -> dict[str, float | str]:
        """How these draws came about, as stored with the fit."""
        return {"fit": self.fit, "k": self.k, "share": self.share}


def to_cached_draws(model: OutcomeModel, fit: str, draws: PosteriorDraws) -> CachedDraws:
    """Sampled draws with their log density, ready for the shelf."""
    return CachedDraws(fit, draws.values, log_density(model, draws.values), draws.divergences)


def log_density(model: OutcomeModel, values: np.ndarray) -> np.ndarray:
    """Log density of draws (..., size) of the parameters, up to a constant of the model's structure.

    It is that of the plain coordinates. The change from those to the parameters depends on priors and scales alone, so
    it drops out of a ratio between models of the same structure.
    """
    density = model.density_function()
    flat = values.reshape(-1, values.shape[-1])
    return np.array([density(x)[0] for x in model.to_noncentered(flat)]).reshape(values.shape[:-1])


def reweight_draws(model: OutcomeModel, old: CachedDraws, seconds: float = 0.0) -> ReweightedDraws:
    """Old draws as draws of this model's posterior.

    Estimand: the posterior of `model`. Assumes that `old` are draws of a posterior of the same structure and priors,
    and that the new one is nowhere far wider; `k` is the check of that. Weights w_i are Pareto smoothed; draws are then
    repeated by systematic resampling with a fixed start (Kitagawa 1996, J. Comput. Graph. Stat. 5(1)), which keeps the
    order of the chains, so that repeated draws count as autocorrelation when effective draws are counted.
    """
    logs = (log_density(model, old.values) - old.logs).ravel()
    smoothed, k = import_arviz().psislw(logs)
    weights = np.exp(smoothed)
    points = (np.arange(len(weights)) + 0.5) / len(weights)
    chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), points)
    values = old.values.reshape(len(weights), -1)[np.minimum(chosen, len(weights) - 1)]
    draws = PosteriorDraws(values.reshape(old.values.shape), old.divergences, 0.0, seconds)
    share = float(weights.sum() ** 2 / (weights**2).sum() / len(weights))
    return ReweightedDraws(draws, old.fit, 0.0 if np.ptp(logs) == 0 else float(k), share)
