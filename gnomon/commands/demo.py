"""The whole chain on the embedded model, and the published study beside it: makes, judges, fits, reports."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gnomon import session
from gnomon.commands import judge, steps
from gnomon.console import answer, say
from gnomon.render import estimates

QUICK = {"injection": 3, "control": 20, "random": 1, "draws": 700, "tune": 400, "strengths": "[0.5, 0.75, 1.0]"}
PUBLISHED = "published"


def run(folder: Path, *, quick: bool, published_only: bool, json: bool) -> dict[str, Any]:
    """Make the demo in `folder` (and `folder/published`), or go on with the one that is there, and print it."""
    settings = QUICK if quick else steps.FULL
    if published_only:
        document = _published(folder, settings)
    else:
        document = _chain(folder, settings)
        document[PUBLISHED] = _published(folder / PUBLISHED, settings)
    if json:
        answer(document)
    else:
        estimates.table(document)
        if PUBLISHED in document:
            estimates.table(document[PUBLISHED])
    for part in (document, document.get(PUBLISHED, {})):
        steps.check(part.pop("rows", []))
    return document


def _chain(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The embedded model: trials, verdicts, fits."""
    seconds: dict[str, float] = {}
    if session.write_template(folder, "study.toml", **settings, name="demo", calibration="true"):
        say(f"{folder}: a new study")
    with session.opened(folder) as study:
        if not study.file.counts:
            with _clock(seconds, "convert"):
                _convert()
            with _clock(seconds, "generate"):
                steps.generate(study, [], [], steps.How(), False)
            with _clock(seconds, "judge"):
                judge.judge(study, [])
        return _fitted(study, seconds)


def _published(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The published study: counts and their fit."""
    session.write_template(folder, "published.toml", **settings)
    with session.opened(folder) as study:
        return _fitted(study, {})


def _fitted(study: session.Study, seconds: dict[str, float]) -> dict[str, Any]:
    with _clock(seconds, "fit"):
        rows = steps.fits(study)
    total = round(sum(seconds.values()), 2)
    return estimates.estimates(study, rows) | {"seconds": {**seconds, "total": total}, "rows": rows}


def _convert() -> None:
    from gnomon.generation.subjects.embedded import ensure_converted

    ensure_converted()


@contextmanager
def _clock(seconds: dict[str, float], step: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - started, 2)
