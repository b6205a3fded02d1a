"""Fits of an open study with the settings of its file, and the draws behind them; prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from gnomon.chain.session import OpenStudy
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.files import DRAWS_FOLDER
from gnomon.data.importers.row_builders import UNKNOWN_SIZE
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.study_file import resolve_study_path

if TYPE_CHECKING:
    from gnomon.stats.fitted_posterior import FittedPosterior
    from gnomon.stats.inference.importance_reweighting import DrawCache
    from gnomon.stats.inference.sampler import SamplerSettings
    from gnomon.stats.model.judge_confusion import ExternalCalibration
    from gnomon.stats.model.priors import Priors
    from gnomon.stats.results import StoredFit


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How a study is fitted: the values of `[fit]` in its file, or what replaces them."""

    settings: SamplerSettings
    seed: int
    priors: Priors
    cache: DrawCache
    judges: Sequence[str] | None
    external: Sequence[ExternalCalibration]


class _CommonKeywords(TypedDict):
    """What all three fits take."""

    settings: SamplerSettings
    seed: int
    priors: Priors
    shelf: DrawCache


def fit_options(
    study: OpenStudy, *, seed: int | None = None, priors: Priors | None = None, resample: bool = False
) -> FitOptions:
    """The options of a study's file, some of them replaced.

    Parameters
    ----------
    study : OpenStudy
    seed : int, optional
        The sampler's seed.
    priors : Priors, optional
        All priors of the model.
    resample : bool
        Sample, even where draws of an earlier fit could be reweighted.

    Raises
    ------
    InputError
        If the folder of draws is a link to another one.
    """
    from gnomon.stats.inference.importance_reweighting import DrawCache
    from gnomon.stats.inference.sampler import SamplerSettings
    from gnomon.stats.model.judge_confusion import ExternalCalibration
    from gnomon.stats.model.priors import Priors

    chosen = study.file.fit
    if (study.folder / DRAWS_FOLDER).is_symlink():
        raise InputError(f"{study.folder / DRAWS_FOLDER}: is a link, and draws would be written through it: remove it")
    return FitOptions(
        settings=SamplerSettings(draws=chosen.draws, tune=chosen.tune, chains=chosen.chains),
        seed=chosen.seed if seed is None else seed,
        priors=priors or Priors.from_mapping(chosen.priors),
        cache=DrawCache(resolve_study_path(study.folder, DRAWS_FOLDER, "the folder"), reuse=not resample),
        judges=chosen.judges or None,
        external=[
            ExternalCalibration(judge=one.judge, arm=str(one.arm), truth=one.truth, verdict=one.said, n=one.n)
            for one in chosen.external
        ],
    )


def fittable_views(study: OpenStudy) -> list[str]:
    """The fits that a study's data are for: `published`, or `judged` and `corrected`."""
    return ["published"] if study.file.counts else ["judged", "corrected"]


def fit_view(study: OpenStudy, view: str, options: FitOptions, judge: str | None = None) -> StoredFit:
    """Fit one view of a study.

    Parameters
    ----------
    study : OpenStudy
    view : {"published", "judged", "corrected"}
    options : FitOptions
    judge : str, optional
        Whose verdicts the view `judged` takes at their word; by default the study's first judge.

    Returns
    -------
    StoredFit

    Raises
    ------
    NotEnoughDataError
        If there are no verdicts, or a subject's size is not known and there are several.
    InputError
        If the study's data are not for this view, or errors of another study are not shown to hold on this one.
    """
    from gnomon.stats import fit

    if view not in fittable_views(study):
        raise InputError(f"view '{view}' is not for study '{study.file.name}': choose {_alternatives(study)}")
    how = _CommonKeywords(settings=options.settings, seed=options.seed, priors=options.priors, shelf=options.cache)
    if view == "published":
        return fit.fit_published(study.store, **how)
    study.file.select_known("judge", load_settings(study.store).judges, [judge] if judge else [])
    _require_sizes(study.store)
    if not study.store.has_rows(tables.verdicts):
        raise NotEnoughDataError(f"study '{study.file.name}' has no verdicts: run 'gnomon judge {study.folder}' first")
    if view == "judged":
        return fit.fit_judged(study.store, judge=judge, **how)
    _require_transport(study)
    return fit.fit_corrected(study.store, judges=options.judges, external=options.external, **how)


def fit_posterior(study: OpenStudy, stored: StoredFit, options: FitOptions | None = None) -> FittedPosterior:
    """The model and the draws behind a fit of a study.

    Parameters
    ----------
    study : OpenStudy
    stored : StoredFit
    options : FitOptions, optional
        Those that the fit was made with; by default those of the study's file.
    """
    from gnomon.stats.fitted_posterior import load_posterior

    how = options or fit_options(study)
    return load_posterior(
        study.store, stored, settings=how.settings, judges=how.judges, external=how.external, shelf=how.cache
    )


def check_draws_file(out: Path) -> None:
    """Raise `InputError` if the folder of a file for draws is not there."""
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: is not a folder: make it, or name another file")


def write_draws(study: OpenStudy, fits: Sequence[StoredFit], out: Path) -> list[Path]:
    """Write all draws of each fit that passed, for ArviZ.

    Parameters
    ----------
    study : OpenStudy
    fits : sequence of StoredFit
    out : Path
        The fit's view is put at the end of its name: `draws.nc` becomes `draws-corrected.nc`.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If the folder of `out` is not there.
    """
    from gnomon.stats.fitted_posterior import write_netcdf
    from gnomon.stats.results import PASSED

    check_draws_file(out)
    written = []
    for stored in fits:
        if stored.status == PASSED:
            name = f"{out.stem}-{stored.view.replace(':', '-')}{out.suffix or '.nc'}"
            write_netcdf(fit_posterior(study, stored), out.with_name(name))
            written.append(out.with_name(name))
    return written


def _alternatives(study: OpenStudy) -> str:
    return " or ".join(fittable_views(study))


def _require_transport(study: OpenStudy) -> None:
    """Raise `InputError` where errors of another study are neither shown to hold here nor used unchecked on purpose.

    A study that says no margin and has a corrected fit already is older than the check: it goes on, with a warning
    wherever its figures stand (`caveats.external_caveats`).
    """
    from gnomon.calibration.transport.transport_audit import audit_external
    from gnomon.calibration.transport.transport_results import TransportOutcome
    from gnomon.stats.stored_fits import newest_fits

    settings = load_settings(study.store)
    older = settings.transport.margin is None and any(view.startswith("corrected") for view in newest_fits(study.store))
    if not settings.external or older:
        return
    for audit in audit_external(study.store, settings.external):
        for each in audit.decisions:
            if each.outcome is not TransportOutcome.PASS and not each.unchecked:
                raise InputError(
                    f"[[fit.external]] of judge '{audit.judge}', arm {each.name}: whether its errors hold here: "
                    f"{each.outcome} ({each.reason}): label more, or write 'unchecked = true' there to use them anyway"
                )


def _require_sizes(store: Store) -> None:
    """Raise `NotEnoughDataError` where sizes are compared and one is not known: estimates by size would be wrong."""
    subjects = store.load_subjects()
    unknown = [subject.name for subject in subjects if subject.parameters == UNKNOWN_SIZE]
    if unknown and len(subjects) > 1:
        raise NotEnoughDataError(
            f"subject '{unknown[0]}': its number of parameters is not known, and estimates by size need it: import its "
            "files again with --parameters"
        )
