"""Implements `gnomon demo`: the whole chain on the embedded model, with the published study for comparison."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gnomon.api.study import Study, open_study
from gnomon.api.study_fit import raise_failed_fit
from gnomon.chain.session import write_study_file
from gnomon.commands.console_listener import ConsoleListener
from gnomon.commands.study.fit import fit_all_views
from gnomon.commands.study.init import FULL
from gnomon.console import print_status
from gnomon.render import estimates
from gnomon.render.documents import DemoDocument, FittedStudyDocument
from gnomon.render.verdicts import judging_line

QUICK = {"injection": 3, "control": 20, "random": 1, "draws": 700, "tune": 400, "strengths": "[0.5, 0.75, 1.0]"}
PUBLISHED = "published"


def run_demo(folder: Path, *, quick: bool, published_only: bool) -> DemoDocument:
    """Create the demo study, or continue an existing one.

    Parameters
    ----------
    folder : Path
        Folder of the demo study; the published study is in its subfolder `published`.
    quick : bool
        Whether to generate fewer trials and posterior draws.
    published_only : bool
        Whether to fit the published study only, in `folder` itself.
    """
    settings = QUICK if quick else FULL
    first = _fit_published(folder, settings) if published_only else _run_chain(folder, settings)
    published = None if published_only else _fit_published(folder / PUBLISHED, settings)
    return DemoDocument(**vars(first), published=published)


def print_demo(document: DemoDocument) -> None:
    """Print the estimates of the demo study and of the published one."""
    estimates.print_estimates(document)
    if document.published:
        estimates.print_estimates(document.published)


def raise_if_failed(document: DemoDocument) -> None:
    """Raise `FitFailedError` if a fit did not pass its convergence checks."""
    for part in (document, document.published):
        for stored in part.rows if part else ():
            raise_failed_fit(stored)


def _run_chain(folder: Path, settings: Mapping[str, object]) -> FittedStudyDocument:
    """The embedded model: trials, verdicts, fits."""
    seconds: dict[str, float] = {}
    if write_study_file(folder, "study.toml", **settings, name="demo", calibration="true"):
        print_status(f"{folder}: a new study")
    with open_study(folder, listener=ConsoleListener()) as study:
        if not study.file.counts:
            with _timed_step(seconds, "convert"):
                _convert_model()
            with _timed_step(seconds, "generate"):
                study.generate()
            with _timed_step(seconds, "judge"):
                for report in study.judge().results:
                    print_status(judging_line(report))
        return _fitted_document(study, seconds)


def _fit_published(folder: Path, settings: Mapping[str, object]) -> FittedStudyDocument:
    """The published study: counts and their fit."""
    write_study_file(folder, "published.toml", **settings)
    with open_study(folder, listener=ConsoleListener()) as study:
        return _fitted_document(study, {})


def _fitted_document(study: Study, seconds: dict[str, float]) -> FittedStudyDocument:
    with _timed_step(seconds, "fit"):
        rows = [fit.stored for fit in fit_all_views(study)]
    total = round(sum(seconds.values()), 2)
    document = estimates.estimates_document(study.opened, rows)
    return FittedStudyDocument(**vars(document), seconds={**seconds, "total": total}, rows=tuple(rows))


def _convert_model() -> None:
    from gnomon.generation.subjects.embedded import ensure_converted

    ensure_converted()


@contextmanager
def _timed_step(seconds: dict[str, float], step: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - started, 2)
