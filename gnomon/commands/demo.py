"""Implements `gnomon demo`: the whole chain on the embedded model, with the published study for comparison."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gnomon import session
from gnomon.commands import judge, steps
from gnomon.console import print_json, print_status
from gnomon.render import estimates
from gnomon.render.documents import DemoDocument

QUICK = {"injection": 3, "control": 20, "random": 1, "draws": 700, "tune": 400, "strengths": "[0.5, 0.75, 1.0]"}
PUBLISHED = "published"


def run_demo(folder: Path, *, quick: bool, published_only: bool, json: bool) -> DemoDocument:
    """Create the demo study, or continue an existing one, and print its estimates.

    Parameters
    ----------
    folder : Path
        Folder of the demo study; the published study is in its subfolder `published`.
    quick : bool
        Whether to generate fewer trials and posterior draws.
    published_only : bool
        Whether to fit the published study only, in `folder` itself.
    json : bool
        Whether to print one JSON document.

    Raises
    ------
    FitFailedError
        If a fit did not pass its convergence checks.
    """
    settings = QUICK if quick else steps.FULL
    if published_only:
        document = _fit_published(folder, settings)
    else:
        document = _run_chain(folder, settings)
        document = document.model_copy(update={"published": _fit_published(folder / PUBLISHED, settings)})
    if json:
        print_json(document)
    else:
        estimates.print_estimates(document)
        if document.published:
            estimates.print_estimates(document.published)
    for part in (document, document.published):
        steps.raise_if_failed(part.rows if part else ())
    return document


def _run_chain(folder: Path, settings: Mapping[str, object]) -> DemoDocument:
    """The embedded model: trials, verdicts, fits."""
    seconds: dict[str, float] = {}
    if session.write_study_file(folder, "study.toml", **settings, name="demo", calibration="true"):
        print_status(f"{folder}: a new study")
    with session.opened(folder) as study:
        if not study.file.counts:
            with _timed_step(seconds, "convert"):
                _convert_model()
            with _timed_step(seconds, "generate"):
                steps.generate_trials(study, [], [], steps.GenerateOptions(), False)
            with _timed_step(seconds, "judge"):
                judge.run_judges(study, [])
        return _fitted_document(study, seconds)


def _fit_published(folder: Path, settings: Mapping[str, object]) -> DemoDocument:
    """The published study: counts and their fit."""
    session.write_study_file(folder, "published.toml", **settings)
    with session.opened(folder) as study:
        return _fitted_document(study, {})


def _fitted_document(study: session.Study, seconds: dict[str, float]) -> DemoDocument:
    with _timed_step(seconds, "fit"):
        rows = steps.fit_all_views(study)
    total = round(sum(seconds.values()), 2)
    document = estimates.estimates_document(study, rows)
    parts = {name: getattr(document, name) for name in type(document).model_fields if name != "schema_version"}
    return DemoDocument(**parts, seconds={**seconds, "total": total}, rows=tuple(rows))


def _convert_model() -> None:
    from gnomon.generation.subjects.embedded import ensure_converted

    ensure_converted()


@contextmanager
def _timed_step(seconds: dict[str, float], step: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - started, 2)
