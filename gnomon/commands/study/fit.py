"""`gnomon fit`: fits every view that the study's data allow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gnomon.api.study import Study, open_study
from gnomon.api.study_fit import StudyFit
from gnomon.chain.fitting import check_draws_file, write_draws
from gnomon.commands.console_listener import ConsoleListener
from gnomon.console import print_status
from gnomon.render import estimates
from gnomon.render.documents import EstimatesDocument
from gnomon.stats.narrative.fit_sentences import misfit_headline, rater_finding
from gnomon.stats.results import rows_frame

TITLES = {"published": "published counts", "judged": "as judged", "corrected": "corrected"}


@dataclass(frozen=True)
class FittedViews:
    """The fits of one run, and the document that says what they found."""

    fits: list[StudyFit]
    document: EstimatesDocument

    def raise_if_failed(self) -> None:
        """Raise `FitFailedError` if one of them did not converge."""
        for fit in self.fits:
            fit.raise_if_failed()


def fit_study(
    folder: Path,
    judge: str | None = None,
    *,
    resample: bool = False,
    seed: int | None = None,
    netcdf: Path | None = None,
) -> FittedViews:
    """Fit every view that the study's data allow.

    Parameters
    ----------
    folder : Path
        The study's folder.
    judge : str, optional
        Judge whose verdicts the uncorrected fit uses; None for the study's first.
    resample : bool
        Whether to sample even if draws of an earlier fit could be reweighted.
    seed : int, optional
        The sampler's seed; None for the study's.
    netcdf : Path, optional
        File for all draws of each fit; the fit's view is put at the end of its name.
    """
    if netcdf is not None:
        check_draws_file(netcdf)
    with open_study(folder, listener=ConsoleListener()) as study:
        fits = fit_all_views(study, judge, resample=resample, seed=seed)
        stored = [fit.stored for fit in fits]
        document = estimates.estimates_document(study.opened, stored)
        if netcdf is not None:
            for path in write_draws(study.opened, stored, netcdf):
                print_status(f"{path} written: arviz.from_netcdf reads it")
    return FittedViews(fits, document)


def fit_all_views(
    study: Study, judge: str | None = None, *, resample: bool = False, seed: int | None = None
) -> list[StudyFit]:
    """Fit each view of an open study, and print how each fit went.

    Parameters
    ----------
    study : Study
        The open study.
    judge : str, optional
        Judge whose verdicts the uncorrected fit uses; None for the study's first.
    resample : bool
        Whether to sample even if draws of an earlier fit could be reweighted.
    seed : int, optional
        The sampler's seed; None for the study's.
    """
    return [_fit_view(study, view, judge, resample, seed) for view in study.views]


def _fit_view(study: Study, view: str, judge: str | None, resample: bool, seed: int | None) -> StudyFit:
    print_status(f"fit {TITLES[view]}: sampling")
    fit = study.fit(view, judge=judge, resample=resample, seed=seed)
    print_status(f"fit {TITLES[view]}: {estimates.format_diagnostics(fit.stored)}")
    if (raters := rater_finding(fit.stored.result.raters)) is not None:
        print_status(f"fit {TITLES[view]}: {raters}")
    if (misfit := misfit_headline(rows_frame(fit.stored.result.predictive))) is not None:
        print_status(f"fit {TITLES[view]}: {misfit}")
    return fit
