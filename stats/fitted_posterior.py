"""The model and all draws of a stored fit: kept ones where they lie in the cache, else sampled again with its seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.files import write_atomically
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.cells.aggregation import judged_cells, pattern_cells, published_cells
from gnomon.stats.checks.predictive_checks import draw_prior_parameters
from gnomon.stats.inference.hierarchical import OutcomeModel, corrected_model, judged_model
from gnomon.stats.inference.importance_reweighting import DrawCache, reweight_draws, sampling_key
from gnomon.stats.inference.inference_data import to_inference_data
from gnomon.stats.inference.sampler import PosteriorDraws, SamplerSettings, sample_posterior
from gnomon.stats.model.judge_confusion import ExternalCalibration, hash_patterns
from gnomon.stats.model.priors import Priors
from gnomon.stats.results import PASSED, StoredFit

PRIOR_DRAWS = 1000


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
    view = stored.view
    if stored.status != PASSED:
        raise NotEnoughDataError(f"fit '{view}' is {stored.status}: it has no draws; fit again once that is fixed")
    priors = Priors.from_mapping(stored.priors)
    model, names, data_hash = _model_of(store, view, priors, judges, external)
    if data_hash != stored.data_hash:
        raise InputError(f"fit '{view}': the study's data have changed since: fit again, then take its draws")
    seed = stored.seed
    draws = _kept_draws(store, model, stored, sampling_key(model, settings, seed), shelf)
    if draws is None:
        if stored.diagnostics.draws != settings.draws:
            settings = settings.retry_settings()
        draws = sample_posterior(model, settings, seed)
    return FittedPosterior(stored.id, view, seed, model, draws, names, priors)


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


def _model_of(
    store: Store, view: str, priors: Priors, judges: Sequence[str] | None, external: Sequence[ExternalCalibration]
) -> tuple[OutcomeModel, tuple[str, ...], str]:
    """The model of a view with today's data, its judges, and the hash of these data."""
    kind, _, which = view.partition(":")
    if kind == "published":
        cells = published_cells(store)
        return judged_model(cells, priors), (), cells.content_hash()
    if kind == "judged":
        cells = judged_cells(store, which or None)
        return judged_model(cells, priors), (), cells.content_hash()
    patterns = pattern_cells(store, judges, which or load_settings(store).label_view)
    return corrected_model(patterns, priors, external), patterns.judges, hash_patterns(patterns, external)


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
