"""Refitting by importance weights: draws of an earlier fit, reweighted to the posterior with a little new data.

A label changes the posterior slightly, and sampling again takes as long as the first time. Existing draws x_1 .. x_S
are of the old posterior; with weights proportional to new density / old density they represent the new one. The largest
weights are smoothed by a generalised Pareto distribution, whose shape k diagnoses whether the weights are usable
(Vehtari, Simpson, Gelman, Yao and Gabry 2024, JMLR 25(72), Pareto smoothed importance sampling).

The cache keeps the sampled draws of one fit per view: reweighted draws are never reweighted again, so that errors
cannot accumulate. Deleting the cache costs time, nothing else.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gnomon.data.files import scratch_path
from gnomon.data.records import canonical_hash
from gnomon.stats.inference.arviz_import import import_arviz
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.inference.sampler import PosteriorDraws, SamplerSettings

MAX_PARETO_K = 0.5
"""Above it the weights have no finite variance, and the fit must be sampled again."""


LARGEST_FILE = 2**30
"""Greatest number of bytes that are read of a file of draws; ours have some 30 MB."""


@dataclass(frozen=True)
class CachedDraws:
    """Draws of an earlier fit: its id, parameters (chains, draws, size), log density (chains, draws), divergences."""

    fit: str
    values: np.ndarray
    logs: np.ndarray
    divergences: int


@dataclass(frozen=True)
class FoundDraws:
    """Cached draws with the hash of model structure, settings and seed that they were sampled for."""

    draws: CachedDraws
    structure: str


@dataclass(frozen=True)
class DrawCache:
    """A folder of cached draws, one file per view; without `reuse` draws are written but not read."""

    folder: Path
    reuse: bool = True

    def save_draws(self, view: str, structure: str, kept: CachedDraws) -> str:
        """Atomically store draws for `view`, replacing earlier ones.

        Parameters
        ----------
        view : str
            View of the fit.
        structure : str
            Hash of the model's structure, settings and seed (`FitRequest.draws_key`).
        kept : CachedDraws
            Draws to store.

        Returns
        -------
        str
            SHA-256 of the file, which the fit's row keeps.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._file_path(view)
        fresh = scratch_path(path)
        with fresh.open("xb") as file:
            np.savez(
                file,
                fit=kept.fit,
                structure=structure,
                values=kept.values,
                logs=kept.logs,
                divergences=kept.divergences,
            )
        with fresh.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        fresh.replace(path)
        return sha256

    def load_draws(self, view: str, structure: str, fit_of: Callable[[str], str | None]) -> CachedDraws | None:
        """The cached draws of a view; None if there are none, no fit wrote them as they are, they are of another
        structure, or the file cannot be read.

        Parameters
        ----------
        view : str
            View of the fit.
        structure : str
            Hash of the model's structure, settings and seed (`FitRequest.draws_key`).
        fit_of : callable
            Id of the fit whose row keeps a SHA-256, or None (`Store.fit_of_draws`).
        """
        found = self.find_draws(view, fit_of) if self.reuse else None
        return found.draws if found is not None and found.structure == structure else None

    def find_draws(self, view: str, fit_of: Callable[[str], str | None]) -> FoundDraws | None:
        """The cached draws of a view with the structure that they were sampled for, as a fit wrote them; else None.

        Parameters
        ----------
        view : str
            View of the fit.
        fit_of : callable
            Id of the fit whose row keeps a SHA-256, or None (`Store.fit_of_draws`).
        """
        try:
            path = self._file_path(view)
            if path.is_symlink() or not path.is_file():  # a stranger's link to elsewhere, or a pipe
                return None
            with path.open("rb") as opened:
                content = opened.read(LARGEST_FILE + 1)
            fit = fit_of(hashlib.sha256(content).hexdigest())
            if fit is None:
                return None
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                if str(file["fit"]) != fit:
                    return None
                draws = CachedDraws(fit, file["values"], file["logs"], int(file["divergences"]))
                return FoundDraws(draws, str(file["structure"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def _file_path(self, view: str) -> Path:
        return self.folder / f"{hashlib.sha256(view.encode()).hexdigest()[:16]}.npz"


@dataclass(frozen=True)
class ReweightedDraws:
    """Draws that represent the new posterior, as many as there were, each repeated according to its weight.

    `k` is the shape of the weights' tail; `share` in (0, 1] is the effective sample size as a share of the draws.
    """

    draws: PosteriorDraws
    fit: str
    k: float
    share: float

    @property
    def is_reliable(self) -> bool:
        """Whether the weights are usable: `k` at most `MAX_PARETO_K`."""
        return self.k <= MAX_PARETO_K


def sampling_key(model: OutcomeModel, settings: SamplerSettings, seed: int) -> str:
    """What draws must have been sampled with to be reweighted for a model.

    Parameters
    ----------
    model : OutcomeModel
    settings : SamplerSettings
    seed : int
    """
    return canonical_hash([model.structure_hash(), settings.as_dict(), seed], 64)


def to_cached_draws(model: OutcomeModel, fit: str, draws: PosteriorDraws) -> CachedDraws:
    """Sampled draws with their log density, for the cache.

    Parameters
    ----------
    model : OutcomeModel
        The model that was sampled.
    fit : str
        Id of the fit.
    draws : PosteriorDraws
        Its draws.
    """
    return CachedDraws(fit, draws.values, log_density(model, draws.values), draws.divergences)


def log_density(model: OutcomeModel, values: np.ndarray) -> np.ndarray:
    """Log density of draws of the parameters, up to a constant of the model's structure.

    Computed in non-centred coordinates. The change of variables from these to the parameters depends on priors and
    scales alone, so it cancels in a ratio between models of the same structure.

    Parameters
    ----------
    model : OutcomeModel
        The model.
    values : ndarray, shape (..., size)
        Parameters.

    Returns
    -------
    ndarray, shape (...)
        Log density of each draw.
    """
    density = model.density_function()
    flat = values.reshape(-1, values.shape[-1])
    return np.array([density(x)[0] for x in model.to_noncentered(flat)]).reshape(values.shape[:-1])


def reweight_draws(model: OutcomeModel, old: CachedDraws, seconds: float = 0.0) -> ReweightedDraws:
    """Earlier draws as draws of this model's posterior.

    Estimand: the posterior of `model`. Assumes that `old` are draws of a posterior of the same structure and priors,
    and that the new one is nowhere much wider; `k` diagnoses that. Weights are Pareto smoothed; draws are then repeated
    by systematic resampling with a fixed start (Kitagawa 1996, J. Comput. Graph. Stat. 5(1)), which keeps the order of
    the chains, so that repeated draws count as autocorrelation in the effective sample size.

    Parameters
    ----------
    model : OutcomeModel
        The model with the new data.
    old : CachedDraws
        Draws of the earlier fit.
    seconds : float, default 0.0
        Sampling time to record with the draws.
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
