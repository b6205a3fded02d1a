"""The model and all draws of a stored fit: kept ones where they lie in the cache, else sampled again with its seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.files import write_atomically
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.cells.aggregation import judged_cells, pattern_cells, published_cells
from gnomon.stats.checks.predictive_checks import draw_prior_parameters
from gnomon.stats.estimand_registry import headline_estimands, is_corrected, view_name
from gnomon.stats.estimands.result import ModelPosterior, all_estimand_draws
from gnomon.stats.inference.hierarchical import OutcomeModel, corrected_model, judged_model
from gnomon.stats.inference.importance_reweighting import DrawCache, reweight_draws, sampling_key
from gnomon.stats.inference.inference_data import to_inference_data
from gnomon.stats.inference.sampler import PosteriorDraws, SamplerSettings, sample_posterior
from gnomon.stats.model.judge_confusion import ExternalCalibration, hash_patterns
from gnomon.stats.model.priors import Priors
from gnomon.stats.results import PASSED, StoredFit

PRIOR_DRAWS = 1000
EstimateName: TypeAlias = tuple[str, str]
"""Model and estimand."""


@dataclass(frozen=True)
class FittedPosterior:
    """A stored fit's model with its data, the draws of its parameters, and the names of its judges."""

    fit: str
    view: str
    seed: int
    model: OutcomeModel
    draws: PosteriorDraws
    judges: tuple[str, ...]
    priors: Priors
    trials: np.ndarray
    """Number of trials in each cell of the model."""

    def to_inference_data(self, prior_draws: int = PRIOR_DRAWS) -> Any:
        """The draws as `arviz.InferenceData` with groups posterior, log_likelihood, observed_data and prior.

        Parameters
        ----------
        prior_draws : int
            Number of draws from the priors; 0 leaves the group out.

        Returns
        -------
        arviz.InferenceData
            Its attributes name the fit, the view, the seed and the priors (as JSON).
        """
        rng = np.random.default_rng(self.seed)
        prior = draw_prior_parameters(self.model, prior_draws, rng) if prior_draws else None
        data = to_inference_data(self.model, self.draws, self.judges, prior)
        data.attrs.update(
            {"fit": self.fit, "view": self.view, "seed": self.seed, "priors": json.dumps(self.priors.as_dict())}
        )
        return data


def load_posterior(
    store: Store,
    stored: StoredFit,
    *,
    settings: SamplerSettings,
    judges: Sequence[str] | None = None,
    external: Sequence[ExternalCalibration] = (),
    shelf: DrawCache | None = None,
) -> FittedPosterior:
    """The model and the draws behind a stored fit.

    Draws in the cache are taken (and reweighted, if the fit was). Otherwise the posterior is sampled again with the
    fit's own seed.

    Parameters
    ----------
    store : Store
    stored : StoredFit
    settings : SamplerSettings
        Those that the fit was made with.
    judges : sequence of str, optional
        Judges of a corrected fit, as it was made with.
    external : sequence of ExternalCalibration, optional
        Calibrations that a corrected fit was made with.
    shelf : DrawCache, optional
        Where the draws may lie.

    Returns
    -------
    FittedPosterior

    Raises
    ------
    NotEnoughDataError
        If the fit did not pass its gates: it has no draws to rely on.
    InputError
        If trials, verdicts or labels have changed since the fit.
    """
    known = _known_model(store, stored, judges, external)
    seed = stored.seed
    draws = _kept_draws(store, known.model, stored, sampling_key(known.model, settings, seed), shelf)
    if draws is None:
        if stored.diagnostics.draws != settings.draws:
            settings = settings.retry_settings()
        draws = sample_posterior(known.model, settings, seed)
    return known.with_draws(stored, draws)


def load_kept_posterior(store: Store, stored: StoredFit, folder: Path) -> FittedPosterior:
    """The model and the draws behind a stored fit, if its draws are kept; nothing is sampled.

    The file of draws must be the one that the fit (or the fit that it was reweighted from) wrote, by its SHA-256.

    Parameters
    ----------
    store : Store
    stored : StoredFit
    folder : Path
        Folder of kept draws.

    Returns
    -------
    FittedPosterior

    Raises
    ------
    NotEnoughDataError
        If the fit did not pass its gates, or its draws are not kept.
    InputError
        If trials, verdicts or labels have changed since the fit.
    """
    found = DrawCache(folder).find_draws(stored.view, store.fit_of_draws)
    reweighted = stored.diagnostics.reweighted
    wrote = stored.id if reweighted is None else reweighted.fit
    if stored.status == PASSED and (found is None or found.draws.fit != wrote):
        raise NotEnoughDataError(
            f"fit '{stored.view}': its draws are not in '{folder.name}': 'gnomon fit DIR --resample' samples them again"
        )
    settings = load_settings(store)
    external = [
        ExternalCalibration(judge=one.judge, arm=one.arm, truth=one.truth, verdict=one.said, n=one.n)
        for one in settings.external
    ]
    known = _known_model(store, stored, None, external)
    assert found is not None
    if reweighted is not None:
        return known.with_draws(stored, reweight_draws(known.model, found.draws).draws)
    return known.with_draws(stored, PosteriorDraws(found.draws.values, found.draws.divergences, 0.0, 0.0))


def estimate_chains(posterior: FittedPosterior) -> dict[EstimateName, np.ndarray]:
    """The headline estimates of each model over its whole design, by chain and draw.

    Parameters
    ----------
    posterior : FittedPosterior

    Returns
    -------
    dict of (str, str) to ndarray, shape (chains, draws)
        By model and estimand; those that a fit withholds are among them, for they were sampled all the same.
    """
    view = posterior.view.split(":")[0]
    drawn = all_estimand_draws(
        ModelPosterior(posterior.model, posterior.draws.flat_values, posterior.trials, None, view, None, "")
    )
    names = [view_name(name, view) for name in headline_estimands() if not is_corrected(name)]
    subjects = dict.fromkeys(map(str, posterior.model.design.frame["subject"]))
    shape = (posterior.draws.chain_count, -1)
    return {
        (subject, name): drawn[f"{subject} {name}"].reshape(shape)
        for subject in subjects
        for name in names
        if f"{subject} {name}" in drawn
    }


def write_netcdf(posterior: FittedPosterior, path: Path) -> None:
    """Write all draws for ArviZ as one NetCDF file, whole or not at all.

    Parameters
    ----------
    posterior : FittedPosterior
    path : Path
        An existing file is replaced.
    """
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        made = Path(folder) / "draws.nc"
        posterior.to_inference_data().to_netcdf(str(made))
        write_atomically(path, made.read_bytes())


@dataclass(frozen=True)
class _KnownModel:
    """The model of a view with today's data, its judges, the hash of these data, and the trials of each cell."""

    model: OutcomeModel
    judges: tuple[str, ...]
    data_hash: str
    trials: np.ndarray

    def with_draws(self, stored: StoredFit, draws: PosteriorDraws) -> FittedPosterior:
        """The posterior of a stored fit with its draws."""
        priors = Priors.from_mapping(stored.priors)
        return FittedPosterior(stored.id, stored.view, stored.seed, self.model, draws, self.judges, priors, self.trials)


def _known_model(
    store: Store, stored: StoredFit, judges: Sequence[str] | None, external: Sequence[ExternalCalibration]
) -> _KnownModel:
    """The model of a fit that passed, made again from data that have not changed since."""
    if stored.status != PASSED:
        raise NotEnoughDataError(
            f"fit '{stored.view}' is {stored.status}: it has no draws; fit again once that is fixed"
        )
    known = _model_of(store, stored.view, Priors.from_mapping(stored.priors), judges, external)
    if known.data_hash != stored.data_hash:
        raise InputError(f"fit '{stored.view}': the study's data have changed since: fit again, then take its draws")
    return known


def _model_of(
    store: Store, view: str, priors: Priors, judges: Sequence[str] | None, external: Sequence[ExternalCalibration]
) -> _KnownModel:
    kind, _, which = view.partition(":")
    if kind in ("published", "judged"):
        cells = published_cells(store) if kind == "published" else judged_cells(store, which or None)
        return _KnownModel(judged_model(cells, priors), (), cells.content_hash(), cells.trial_counts)
    patterns = pattern_cells(store, judges, which or load_settings(store).label_view)
    seen = hash_patterns(patterns, external)
    return _KnownModel(corrected_model(patterns, priors, external), patterns.judges, seen, patterns.trial_counts)


def _kept_draws(
    store: Store, model: OutcomeModel, stored: StoredFit, key: str, shelf: DrawCache | None
) -> PosteriorDraws | None:
    """Draws from the cache, if they are of this fit or those that it was reweighted from."""
    kept = replace(shelf, reuse=True).load_draws(stored.view, key, store.fit_of_draws) if shelf else None
    reweighted = stored.diagnostics.reweighted
    if kept is not None and reweighted is not None and kept.fit == reweighted.fit:
        return reweight_draws(model, kept).draws
    if kept is None or kept.fit != stored.id:
        return None
    return PosteriorDraws(kept.values, kept.divergences, 0.0, 0.0)
